"""A few answers before and after training, for the eyes of a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, zip_longest

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.inference.generation import generate
from seodang.models.tokenization import encode_prompt, get_end_id
from seodang.prompting import render_record
from seodang.records import Record

_MAX_NEW_TOKENS = 48  # of an answer: enough to see what it is like


def select_sample_records(records: Sequence[Record], count: int, *, fits: Callable[[Record], bool]) -> list[Record]:
    """Return at most so many records that fit, from all over the split, always the same ones.

    Stretches of the split give one in turn, the first that fits and then the next, so
    that few are tokenised.

    Args:
        records: The whole split.
        count: How many are wanted, at least 1.
        fits: Tells whether a record can be shown.
    """
    step = max(1, len(records) // count)
    stretches = [filter(fits, records[start : start + step]) for start in range(0, len(records), step)]
    in_turn = (record for turn in zip_longest(*stretches) for record in turn if record is not None)
    return list(islice(in_turn, count))


def build_length_filter(
    tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int, context: int | None
) -> Callable[[Record], bool]:
    """Return what tells whether a short answer to a record can be written.

    Args:
        tokenizer: The base's.
        format: The wording.
        max_length: Tokens of a prompt at the most, as in training.
        context: Tokens that the model reads, prompt and answer together; None where its architecture sets no limit.
    """
    longest = max_length if context is None else min(max_length, context - _MAX_NEW_TOKENS)
    return lambda record: len(_encode_record(tokenizer, record, format)) <= longest


def _encode_record(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> list[int]:
    return encode_prompt(tokenizer, render_record(record, format, tokenizer))


def generate_short_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, records: Sequence[Record], format: PromptFormat
) -> list[str]:
    """Return the beginning of the model's greedy answer to each record, all of which are `answerable`."""
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
