"""Encode evaluation samples as prompts with few-shot examples, in the same way for every model."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import (
    encode_part,
    encode_prompt,
    encode_text,
    get_begin_ids,
    get_end_id,
    tokenize_record,
)
from seodang.prompting import PROMPT_TEMPLATES, Renderer, Segment
from seodang.records import Record


class PromptEncoder:
    """Renders prompts of one format for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self.tokenizer = tokenizer
        self.format = format
        self.end_id = get_end_id(tokenizer, format)
        self.begin_ids = get_begin_ids(tokenizer)
        separator = PROMPT_TEMPLATES[format].few_shot_separator
        self._encoder, self._renderer = get_text_encoder(tokenizer), Renderer(format, tokenizer)
        self._separator_ids = [self.end_id] if separator is None else self._encoder.encode(separator, continues=True)
        self._probe = self._renderer.render_prompt("a", "")

    @property
    def start_ids(self) -> list[int]:
        """Token ids before a text without a prompt: the begin token, else the end token."""
        return self.begin_ids or [self.end_id]

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of a text without a prompt."""
        return encode_text(self.tokenizer, text)

    def encode_answer(self, output: str) -> list[int]:
        """Return the ids of an answer, without the end token."""
        answer = self._encoder.split_segments([*self._probe, self._renderer.render_answer(output)])[-1]
        return encode_part(self.tokenizer, answer)

    def encode_prompt(self, record: Record, few_shot_examples: Sequence[Sequence[int]] = ()) -> list[int]:
        """Return the ids of a prompt after its few-shot examples, which `encode_few_shot_example` has encoded.

        The caller must not change the list: a subclass may return it again.
        """
        few_shot_ids = [token for example in few_shot_examples for token in example]
        segments = self._renderer.render_record(record)
        prompt_ids = self._encode_segments(segments, continues=bool(few_shot_ids))
        return [*self.begin_ids, *few_shot_ids, *self._strip_begin(prompt_ids)] if few_shot_ids else prompt_ids

    def encode_few_shot_example(self, record: Record) -> list[int]:
        """Return the ids of an example's prompt, its answer and the separator."""
        tokens = tokenize_record(self.tokenizer, record, self.format, continues=True)
        return [*self._strip_begin(tokens.prompt), *tokens.completion[:-1], *self._separator_ids]

    def _encode_segments(self, segments: Sequence[Segment], *, continues: bool) -> list[int]:
        return encode_prompt(self.tokenizer, segments, continues=continues)

    def _strip_begin(self, ids: list[int]) -> list[int]:
        return ids[len(self.begin_ids) :] if self.begin_ids and ids[: len(self.begin_ids)] == self.begin_ids else ids
