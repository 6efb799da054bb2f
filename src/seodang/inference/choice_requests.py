"""Requests for the log-likelihoods of given answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seodang.errors import EvaluationError
from seodang.i18n import _


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """A prompt and the answers that are scored."""

    sample_id: str
    """Id of the item, for messages."""
    prompt: list[int]
    """Token ids, at least one."""
    options: tuple[tuple[str, list[int]], ...]
    """Text and token ids of each answer."""


def check_options(sample_id: str, options: Iterable[tuple[str, Sequence[int]]]) -> None:
    """Raise an error for options that no model could distinguish.

    Args:
        sample_id: Id of the item, for messages.
        options: Text and token ids of each answer.

    Raises:
        EvaluationError: If two options have the same token ids, or an option has none; it names item and options.
    """
    texts: dict[tuple[int, ...], str] = {}
    for text, ids in options:
        if not ids:
            raise EvaluationError(
                _(
                    "item {sample_id}: option {option!r} has no token in this tokenizer; give the item options with text",
                    sample_id=sample_id,
                    option=text,
                )
            )
        if tuple(ids) in texts:
            raise EvaluationError(
                _(
                    "item {sample_id}: options {first!r} and {second!r} have the same tokens {ids} in this tokenizer, so"
                    " no model can distinguish them; change one of them",
                    sample_id=sample_id,
                    first=texts[tuple(ids)],
                    second=text,
                    ids=ids,
                )
            )
        texts[tuple(ids)] = text
