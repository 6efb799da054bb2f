"""Which answers can still be rated, and how they were."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

Rating = Literal["up", "down"]
_MAX_ANSWERS: Final = 20_000  # about 6 MB


@dataclass(slots=True)
class RatedAnswer:
    """An answer that a client got."""

    key: str | None
    """Name of the client's key; no other key may rate the answer."""
    model_name: str
    """For metrics."""
    rating: Rating | None = None
    """The first one, which counts."""


class AnswerRatings:
    """Remembers the last answers by their ids, which nobody can guess."""

    def __init__(self, limit: int = _MAX_ANSWERS) -> None:
        """Create it.

        Args:
            limit: Of answers; beyond it the oldest one is forgotten.
        """
        self._limit = limit
        self._answers: OrderedDict[str, RatedAnswer] = OrderedDict()

    def add(self, id: str, answer: RatedAnswer) -> None:
        """Remember an answer."""
        self._answers[id] = answer
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def find(self, id: str, key: str | None) -> RatedAnswer | None:
        """Return an answer that a key got; None if there is none, or it is forgotten."""
        answer = self._answers.get(id)
        return answer if answer is not None and answer.key == key else None
