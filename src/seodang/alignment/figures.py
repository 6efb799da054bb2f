"""The figures of preference tuning on held-out pairs, for the saved adapter as it is evaluated."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.alignment.measures import ModelPair, answer_prompts, score_pairs
from seodang.alignment.preferences import PreferencePair, Preferences
from seodang.alignment.summary import compare_with_pairs, summarize_answers, summarize_pairs
from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.models.loading import load_model
from seodang.models.tokenization import get_end_id
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
    """Return the figures on held-out pairs, for the saved adapter as it is evaluated."""
    if not held_out.pairs:
        return {"pairs": None, "answers": None, "samples": []}
    models = ModelPair(load_model(paths.base, train.precision, device), paths.adapter, paths.aligned_adapter)
    scores = score_pairs(models, held_out.pairs, train.tokens_per_micro_batch)
    asked = _select_prompts(held_out.pairs, align.measured_prompts)
    answers = answer_prompts(
        models,
        asked,
        end_id=get_end_id(tokenizer, prompt.format),
        max_new_tokens=_count_new_tokens(asked, align.max_length),
        batch_tokens=4 * train.tokens_per_micro_batch,
    )
    samples = [
        {
            name: tokenizer.decode(ids, skip_special_tokens=True)
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
        "samples": samples[: train.report_samples],
    }


def _select_prompts(pairs: list[PreferencePair], count: int) -> list[PreferencePair]:
    """Return one pair of each of the first prompts, in the order of the records' ids."""
    first = {pair.group: pair for pair in sorted(pairs, key=lambda pair: pair.id, reverse=True)}
    return sorted(first.values(), key=lambda pair: pair.id)[:count]


def _count_new_tokens(pairs: list[PreferencePair], max_length: int) -> int:
    """Return the maximum length of a measured answer: twice the longest answer of a pair, within align.max_length."""
    longest_answer = max(max(len(pair.chosen), len(pair.rejected)) for pair in pairs)
    return max(1, min(2 * longest_answer, max_length - max(len(pair.prompt) for pair in pairs)))
