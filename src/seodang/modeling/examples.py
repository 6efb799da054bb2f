"""A few answers before and after training, for the eyes of a person."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.modeling.generating import generate
from seodang.modeling.tokenizing import encode_prompt, end_id
from seodang.params import PromptFormat
from seodang.prompting import render_record
from seodang.records import Record

_NEW_TOKENS = 48  # of an answer: enough to see what it is like


def chosen_examples(records: Sequence[Record], count: int) -> list[Record]:
    """Return so many records from all over the split, always the same ones."""
    step = max(1, len(records) // max(1, count))
    return list(records[::step][:count])


def short_answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, records: Sequence[Record], format: PromptFormat) -> list[str]:
    """Return the beginning of the model's greedy answer to each record."""
    if not records:
        return []
    training = model.training
    model.eval()
    prompts = [encode_prompt(tokenizer, render_record(record, format, tokenizer)) for record in records]  # type: ignore[arg-type]
    answers = generate(model, prompts, end=end_id(tokenizer, format), max_new_tokens=_NEW_TOKENS, batch_tokens=sum(map(len, prompts)) * len(prompts) + _NEW_TOKENS * len(prompts))
    model.train(training)
    return [str(tokenizer.decode(answer.tokens, skip_special_tokens=True)).strip() for answer in answers]
