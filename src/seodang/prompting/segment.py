"""The parts of a prompt."""

from __future__ import annotations

from typing import NamedTuple


class Segment(NamedTuple):
    """A part of a prompt that is tokenized separately. A tuple, because each record creates a handful of them."""

    text: str
    control: bool
    """True: markers in the text become control tokens. False: they stay plain text."""
    is_label: bool
    """Whether training computes a loss on it.

    Labels are answers, and in a control segment the end token of the answer before it.
    """
    continues: bool = False
    """Whether the tokenizer adds no blank before the text, because other text stands there; set for tokenization."""


def has_content(answer: str) -> bool:
    """Return whether an answer is a label; a model must not learn to answer nothing."""
    return bool(answer.strip())
