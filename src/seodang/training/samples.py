"""A few answers before and after training, for a person who reads the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, zip_longest

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.inference.generation import generate
from seodang.models.tokenization import encode_prompt, get_end_id
from seodang.prompting import render_record
from seodang.records import Record

_MAX_NEW_TOKENS = 48  # of an answer; enough to judge its style


def select_sample_records(records: Sequence[Record], count: int, *, fits: Callable[[Record], bool]) -> list[Record]:
    """Return at most `count` records that fit, spread over the split and the same in each run.

    The split is cut into stretches, and each stretch gives its first record that fits,
    then its second, so that few records are tokenized.

    Args:
        records: All records of the split.
        count: Number of records, at least 1.
        fits: Returns whether a record can be answered.
    """
    step = max(1, len(records) // count)
    stretches = [filter(fits, records[start : start + step]) for start in range(0, len(records), step)]
    in_turn = (record for turn in zip_longest(*stretches) for record in turn if record is not None)
    return list(islice(in_turn, count))


def build_length_filter(
    tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int, context: int | None
) -> Callable[[Record], bool]:
    """Return a function that decides whether the model can answer a record.

    Args:
        tokenizer: The tokenizer of the base.
        format: The prompt template.
        max_length: Maximum number of prompt tokens, as in training.
        context: Context length of the model, for prompt and answer; None if its architecture sets no limit.
    """
    longest = max_length if context is None else min(max_length, context - _MAX_NEW_TOKENS)
    return lambda record: len(_encode_record(tokenizer, record, format)) <= longest


def _encode_record(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> list[int]:
    return encode_prompt(tokenizer, render_record(record, format, tokenizer))


def generate_short_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, records: Sequence[Record], format: PromptFormat
) -> list[str]:
    """Return the beginning of the model's greedy answer to each record; all records must fit."""
    if not records:
        return []
    training = model.training
    model.eval()
    prompts = [_encode_record(tokenizer, record, format) for record in records]
    answers = generate(
        model,
        prompts,
        end_id=get_end_id(tokenizer, format),
        max_new_tokens=_MAX_NEW_TOKENS,
        batch_tokens=sum(map(len, prompts)) * len(prompts) + _MAX_NEW_TOKENS * len(prompts),
    )
    model.train(training)
    return [str(tokenizer.decode(answer.tokens, skip_special_tokens=True)).strip() for answer in answers]
