"""What `seodang chat` asks of a model, in this process or behind a service."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = dict[str, str]
"""As in OpenAI's interface: role and content; `input` beside the last instruction."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Options of a request; None leaves one to the model."""

    temperature: float | None = None
    """0 (default): greedy decoding."""
    max_tokens: int | None = None
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        fields = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A part of an answer."""

    text: str
    is_cut: bool = False
    """Whether the answer ends here at the maximum number of tokens."""


class ChatModel(Protocol):
    """A model that answers conversations."""

    name: str
    keeps_turns: bool
    """Whether it was tuned on conversations, so that earlier questions help it."""

    def answer(self, messages: Sequence[Message], options: ChatOptions) -> Generator[ChatPart]:
        """Yield the answer as it is computed; closing the generator stops it.

        Raises:
            SeodangError: If the model cannot answer.
        """
        ...

    def close(self) -> None:
        """Free what the model uses."""
        ...
