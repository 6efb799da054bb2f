"""What GRPO with a reward model changed: the rewards of the tuned and of the aligned model on held-out prompts."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.alignment.measures import TUNED
from seodang.alignment.rated_prompts import RatedPrompts, build_rater
from seodang.alignment.reward_figures import answer_held_out, compare_values, decode_samples
from seodang.alignment.summary import summarize_answers
from seodang.config import AlignParams, TrainParams
from seodang.paths import Paths


def measure_rated(
    train: TrainParams,
    align: AlignParams,
    prompts: RatedPrompts,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    paths: Paths,
) -> dict[str, Any]:
    """Return the figures on held-out prompts, for the saved adapter as it is evaluated; answers are greedy."""
    if not prompts.held_out:
        return {"training_prompts": len(prompts.training), "prompts": 0}
    models, answers = answer_held_out(train, align, prompts.held_out, prompts.end_id, device, paths)
    rater = build_rater(models.select(TUNED), tokenizer, prompts)
    asked = [question.prompt for question in prompts.held_out]
    sides = [each.tuned for each in answers], [each.aligned for each in answers]
    before, after = (
        rater.rate(asked, [[*each.tokens, prompts.end_id] if each.has_eos else each.tokens for each in side])
        for side in sides
    )
    ended, ended_after = ([each.has_eos for each in side] for side in sides)
    return {
        "training_prompts": len(prompts.training),
        "reward": compare_values(before, after, prompts.held_out),
        "ended": compare_values(ended, ended_after, prompts.held_out),
        **summarize_answers(answers),
        "samples": decode_samples(prompts.held_out[: train.report_samples], answers, tokenizer),
    }
