"""Fit an item's prompt and options into the context of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seodang.inference.choice_requests import check_options

Options = tuple[tuple[str, list[int]], ...]
"""Texts and token ids of an item's options, or of its reference."""
EncodeItem = Callable[[int], tuple[list[int], Options]]
"""Returns an item's prompt after a number of few-shot examples, and its options, as token ids."""


@dataclass(frozen=True, slots=True)
class ContextLimits:
    """Tokens that a model reads and writes."""

    context_length: int | None
    """Of prompt and answer together; None for no limit."""
    max_new_tokens: int
    """Maximum length of a free answer; 0 where none is generated."""

    @property
    def max_prompt_tokens(self) -> int | None:
        """Return the maximum length of a prompt that gets a free answer; None for no limit."""
        return None if self.context_length is None else self.context_length - self.max_new_tokens


@dataclass(frozen=True, slots=True)
class FittedItem:
    """An item that fits into the context."""

    prompt: list[int]
    options: Options
    shots: int
    """Few-shot examples in the prompt."""
    is_prompt_truncated: bool
    """Whether the prompt lost its beginning."""
    is_option_truncated: bool
    """Whether an option or a text lost its end."""


def create_limits(context_length: int | None, max_new_tokens: int) -> ContextLimits:
    """Return the limits of a task; a free answer takes at most half of the context, so that a prompt has room.

    Args:
        context_length: Of the model; None for no limit.
        max_new_tokens: Of the task or of section evaluate.
    """
    return ContextLimits(
        context_length, max_new_tokens if context_length is None else min(max_new_tokens, context_length // 2)
    )


def fit_item(
    sample_id: str, encode: EncodeItem, shots: int, limits: ContextLimits, *, is_generated: bool
) -> FittedItem:
    """Return an item with as many leading few-shot examples as fit; without any, its prompt loses its beginning.

    A prompt is truncated on the left, as lm-evaluation-harness truncates it (HFLM._loglikelihood_tokens and
    generate_until). All options of an item share one prompt, so the longest option decides its length. An option that
    is longer than the context loses its end.

    Args:
        sample_id: Id of the item, for messages.
        encode: Encodes the item.
        shots: Number of few-shot examples that the variant asks for.
        limits: Of model and task.
        is_generated: Whether the model also answers the item freely.

    Raises:
        EvaluationError: If no model could distinguish two options, or an option has no token.
    """
    prompt, options = encode(shots)
    check_options(sample_id, options)
    if limits.context_length is None or limits.max_prompt_tokens is None:
        return FittedItem(prompt, options, shots, is_prompt_truncated=False, is_option_truncated=False)
    # The last token of an option is predicted, never read.
    longest_option = max((len(ids) for _, ids in options), default=1)
    room = limits.context_length + 1 - longest_option
    while shots and len(prompt) > min(room, limits.max_prompt_tokens):
        shots -= 1
        prompt, options = encode(shots)
    kept = prompt[-max(room, 1) :]
    kept_options = tuple((text, ids[: limits.context_length + 1 - len(kept)]) for text, ids in options)
    return FittedItem(
        kept,
        kept_options,
        shots,
        is_prompt_truncated=len(kept) < len(prompt) or (is_generated and len(prompt) > limits.max_prompt_tokens),
        is_option_truncated=kept_options != options,
    )
