"""Encode the items of an evaluation: its variants ask the same prompts and options, after other examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.prompting import Segment
from seodang.prompting.bounded_cache import BoundedCache

_MAX_TEXTS: Final = 16_384  # prompts and options that are remembered


class ItemEncoder(PromptEncoder):
    """A prompt encoder that remembers the ids of prompts and options."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        super().__init__(tokenizer, format)
        self._prompts: BoundedCache[tuple[bool, tuple[Segment, ...]], list[int]] = BoundedCache(_MAX_TEXTS)
        self._answers: BoundedCache[str, list[int]] = BoundedCache(_MAX_TEXTS)

    def encode_answer(self, output: str) -> list[int]:
        """Return the ids of an answer, without the end token; the caller must not change the list."""
        return self._answers.get(output, lambda: super(ItemEncoder, self).encode_answer(output))

    def _encode_segments(self, segments: Sequence[Segment], *, continues: bool) -> list[int]:
        return self._prompts.get(
            (continues, tuple(segments)),
            lambda: super(ItemEncoder, self)._encode_segments(segments, continues=continues),
        )
