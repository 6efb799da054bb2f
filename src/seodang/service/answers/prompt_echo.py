"""The prompt as a part of its completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seodang.service.answers.detokenizer import Decoder, Detokenizer


@dataclass(frozen=True, slots=True)
class Echo:
    """A prompt with the place of its tokens."""

    text: str
    ids: tuple[int, ...]
    offsets: tuple[int, ...]
    """Number of characters before each token."""


def build_echo(decoder: Decoder, ids: Sequence[int]) -> Echo:
    """Return the text of a prompt; control tokens have none."""
    detokenizer = Detokenizer(decoder)
    text, offsets = "", []
    for token in ids:
        offsets.append(len(text))
        text += detokenizer.push(token)
    return Echo(text, tuple(ids), tuple(offsets))
