"""Encode evaluation samples as prompts with few-shot examples, in the same way for every model."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.models.tokenization import encode_prompt, encode_text, get_begin_ids, get_end_id, tokenize_record
from seodang.prompt_templates import PROMPT_TEMPLATES
from seodang.prompting import render_answer, render_record
from seodang.records import Record


class PromptEncoder:
    """Renders prompts of one format for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self.tokenizer = tokenizer
        self.format = format
        self.end_id = get_end_id(tokenizer, format)
        self.begin_ids = get_begin_ids(tokenizer)
        separator = PROMPT_TEMPLATES[format].few_shot_separator
        self._separator_ids = [self.end_id] if separator is None else encode_text(tokenizer, separator)

    @property
    def start_ids(self) -> list[int]:
        """Token ids before a text without a prompt: the begin token, else the end token."""
        return self.begin_ids or [self.end_id]

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of a text without a prompt."""
        return encode_text(self.tokenizer, text)

    def encode_answer(self, output: str) -> list[int]:
        """Return the ids of an answer, without the end token."""
        return encode_text(self.tokenizer, render_answer(output, self.format))

    def encode_prompt(self, record: Record, few_shot_examples: Sequence[Sequence[int]] = ()) -> list[int]:
        """Return the ids of a prompt after its few-shot examples, which `encode_few_shot_example` has encoded."""
        prompt_ids = encode_prompt(self.tokenizer, render_record(record, self.format, self.tokenizer))
        few_shot_ids = [token for example in few_shot_examples for token in example]
        return [*self.begin_ids, *few_shot_ids, *self._strip_begin(prompt_ids)] if few_shot_ids else prompt_ids

    def encode_few_shot_example(self, record: Record) -> list[int]:
        """Return the ids of an example's prompt, its answer and the separator."""
        tokens = tokenize_record(self.tokenizer, record, self.format)
        return [*self._strip_begin(tokens.prompt), *tokens.completion[:-1], *self._separator_ids]

    def _strip_begin(self, ids: list[int]) -> list[int]:
        return ids[len(self.begin_ids) :] if self.begin_ids and ids[: len(self.begin_ids)] == self.begin_ids else ids
