"""Preference records as token ids: pairs of answers, and single answers with a thumb up or down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from transformers import PreTrainedTokenizerBase

from seodang.config import AlignParams, PromptFormat
from seodang.models.tokenization import tokenize_record
from seodang.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair:
    """A prompt with a preferred and a rejected answer; both end with the end token."""

    id: str
    group: str
    """Pairs with equal groups ask the same question and are not independent of each other."""
    language: str
    task: str
    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedAnswer:
    """A prompt with one answer, which ends with the end token, and its thumb."""

    id: str
    group: str
    """Answers with equal groups belong to the same question and are not independent of each other."""
    prompt: list[int]
    answer: list[int]
    is_desirable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preference records of a split."""

    pairs: list[PreferencePair]
    answers: list[RatedAnswer]
    too_long: int
    """Records left out because prompt and answer exceed the maximum length."""
    longest: int = 0
    """Tokens of the longest record, those left out included."""

    def list_answers(self) -> list[RatedAnswer]:
        """Return the single answers, with both sides of each pair among them."""
        sides = [
            RatedAnswer(
                id=f"{pair.id}/{name}",
                group=pair.group,
                prompt=pair.prompt,
                answer=answer,
                is_desirable=is_desirable,
            )
            for pair in self.pairs
            for name, answer, is_desirable in (("chosen", pair.chosen, True), ("rejected", pair.rejected, False))
        ]
        return [*sides, *self.answers]


def tokenize_preferences(
    records: Iterable[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int
) -> Preferences:
    """Return preference records as token ids, with the prompts of training; text never becomes a control token.

    Args:
        records: With `rejected` or `desirable`; a record with both is a pair.
        tokenizer: Of the base.
        format: Name of the prompt template.
        max_length: Tokens of prompt and answer; a longer record is left out, never cut.
    """
    pairs: list[PreferencePair] = []
    answers: list[RatedAnswer] = []
    too_long = longest = 0
    for record in records:
        tokens = tokenize_record(tokenizer, record, format)
        group = record.group or "".join(f"{record.instruction}\x1f{record.input}".split())
        rejected = _tokenize_rejected(record, tokenizer, format)
        length = len(tokens.prompt) + max(len(tokens.completion), len(rejected))
        longest = max(longest, length)
        if length > max_length:
            too_long += 1
        elif rejected:
            pairs.append(
                PreferencePair(
                    id=record.id,
                    group=group,
                    language=record.language,
                    task=record.task,
                    prompt=tokens.prompt,
                    chosen=tokens.completion,
                    rejected=rejected,
                )
            )
        elif record.desirable is not None:
            answers.append(
                RatedAnswer(
                    id=record.id,
                    group=group,
                    prompt=tokens.prompt,
                    answer=tokens.completion,
                    is_desirable=record.desirable,
                )
            )
    return Preferences(pairs=pairs, answers=answers, too_long=too_long, longest=longest)


def _tokenize_rejected(record: Record, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> list[int]:
    if not record.rejected:
        return []
    return tokenize_record(tokenizer, replace(record, output=record.rejected), format).completion


def select_prompts(pairs: Sequence[PreferencePair], align: AlignParams) -> list[PreferencePair]:
    """Return the prompts of the pairs, each once and at most align.prompts, that leave room for an answer."""
    first = {tuple(pair.prompt): pair for pair in sorted(pairs, key=lambda pair: pair.id, reverse=True)}
    ordered = sorted(first.values(), key=lambda pair: pair.id)
    fitting = (pair for pair in ordered if len(pair.prompt) + align.max_new_tokens <= align.max_length)
    return list(islice(fitting, align.prompts))
