"""The figures of preference tuning on held-out pairs, for the saved adapter as it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.alignment.measures import ModelPair, answer_prompts, score_pairs
from seodang.alignment.preferences import PreferencePair, Preferences
from seodang.alignment.summary import compare_with_pairs, summarize_answers, summarize_pairs
from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.io.jsonl import read_records
from seodang.models.loading import load_model
from seodang.models.tokenization import get_end_id, tokenize_record
from seodang.paths import Paths


def measure_preferences(
    prompt: PromptParams,
    train: TrainParams,
    align: AlignParams,
    held_out: Preferences,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    paths: Paths,
) -> dict[str, Any]:
    """Return the figures on held-out pairs, and the drift on instructions that nobody wanted to change."""
    if not held_out.pairs:
        return {"pairs": None, "answers": None, "drift": None, "samples": []}
    models = ModelPair(load_model(paths.base, train.precision, device), paths.adapter, paths.aligned_adapter)
    scores = score_pairs(models, held_out.pairs, train.tokens_per_micro_batch)
    asked = _select_prompts(held_out.pairs, align.measured_prompts)
    settings = {"end_id": get_end_id(tokenizer, prompt.format), "batch_tokens": 4 * train.tokens_per_micro_batch}
    answers = answer_prompts(models, asked, max_new_tokens=_count_new_tokens(asked, align.max_length), **settings)
    instructions = _read_instructions(prompt, align, tokenizer, paths)
    drift = answer_prompts(models, instructions, max_new_tokens=align.max_new_tokens, **settings)
    samples = [
        {
            name: str(tokenizer.decode(ids, skip_special_tokens=True))
            for name, ids in (
                ("prompt", pair.prompt),
                ("chosen", pair.chosen),
                ("rejected", pair.rejected),
                ("tuned", answer.tuned.tokens),
                ("aligned", answer.aligned.tokens),
            )
        }
        for pair, answer in zip(asked, answers, strict=True)
    ]
    return {
        "pairs": summarize_pairs(scores, align.beta),
        "answers": summarize_answers(answers) | compare_with_pairs(samples, [pair.group for pair in asked]),
        "drift": summarize_answers(drift),
        "samples": samples[: train.report_samples],
    }


@dataclass(frozen=True, slots=True)
class _Instruction:
    """A prompt of the validation split, which neither training has learned from."""

    id: str
    group: str
    prompt: list[int]


def _read_instructions(
    prompt: PromptParams, align: AlignParams, tokenizer: PreTrainedTokenizerBase, paths: Paths
) -> list[_Instruction]:
    """Return prompts of the validation split, in the order of their ids; one that is too long is left out."""
    records = sorted(read_records(paths.get_split_path("validation")), key=lambda record: record.id)
    prompts = (
        _Instruction(record.id, record.group or record.id, tokenize_record(tokenizer, record, prompt.format).prompt)
        for record in records
    )
    limit = align.max_length - align.max_new_tokens
    return list(islice((each for each in prompts if len(each.prompt) <= limit), align.measured_prompts))


def _select_prompts(pairs: list[PreferencePair], count: int) -> list[PreferencePair]:
    """Return one pair of each of the first prompts, in the order of the records' ids."""
    first = {pair.group: pair for pair in sorted(pairs, key=lambda pair: pair.id, reverse=True)}
    return sorted(first.values(), key=lambda pair: pair.id)[:count]


def _count_new_tokens(pairs: list[PreferencePair], max_length: int) -> int:
    """Return the maximum length of a measured answer: twice the longest answer of a pair, within align.max_length."""
    longest_answer = max(max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
    return max(1, min(2 * longest_answer, max_length - max(len(pair.prompt) for pair in pairs)))
