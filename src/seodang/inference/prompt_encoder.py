"""Turn items into prompts with exemplars, the same way for every model."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.models.tokenization import begin_ids, encode_prompt, encode_text, end_id, tokenise_record
from seodang.prompting import render_answer, render_record
from seodang.records import Record


class Asker:
    """Renders prompts of one format for one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self.tokenizer = tokenizer
        self.format = format
        self.end = end_id(tokenizer, format)
        self.begin = begin_ids(tokenizer)  # what stands before every text; [] where the tokenizer puts nothing there
        # Between exemplars: what ends an answer in this format.
        self._break = [self.end] if format == "chat" else encode_text(tokenizer, "\n\n")

    @property
    def start(self) -> list[int]:
        """What stands before a text that is read by itself: the begin token, or of a tokenizer without one the end token."""
        return self.begin or [self.end]

    def text(self, text: str) -> list[int]:
        """Return the ids of a text that is read by itself."""
        return encode_text(self.tokenizer, text)

    def answer(self, output: str) -> list[int]:
        """Return the ids of an answer, without the end token."""
        return encode_text(self.tokenizer, render_answer(output, self.format))

    def prompt(self, record: Record, exemplars: Sequence[Record] = ()) -> list[int]:
        """Return the ids of a prompt, the exemplars with their answers before it."""
        lead = [token for exemplar in exemplars for token in self._exemplar(exemplar)]
        asked = encode_prompt(self.tokenizer, render_record(record, self.format, self.tokenizer))
        return [*self.begin, *lead, *self._without_begin(asked)] if lead else asked

    def fitting(self, records: Sequence[Record], exemplars: Sequence[Record], context: int) -> list[Record]:
        """Return as many leading exemplars as leave room for the longest item and its answer.

        Args:
            context: Tokens that the model can read, less those it is to write.
        """
        longest = max(
            len(self.prompt(record)) + max(len(self.answer(text)) for text in (record.output, *record.choices))
            for record in records
        )
        kept: list[Record] = []
        used = longest
        for exemplar in exemplars:
            used += len(self._exemplar(exemplar))
            if used > context:
                break
            kept.append(exemplar)
        return kept

    def _exemplar(self, record: Record) -> list[int]:
        tokens = tokenise_record(self.tokenizer, record, self.format)
        return [*self._without_begin(tokens.prompt), *tokens.completion[:-1], *self._break]

    def _without_begin(self, ids: list[int]) -> list[int]:
        return ids[len(self.begin) :] if self.begin and ids[: len(self.begin)] == self.begin else ids
