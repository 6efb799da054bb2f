"""What GRPO changed: the rewards of the tuned and of the aligned model on the same held-out prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from seodang.alignment.measures import AnswerScore, ModelPair, Question, answer_prompts
from seodang.alignment.reward_prompts import RewardPrompt, RewardPrompts
from seodang.alignment.rewards import Reward, compute_reward
from seodang.alignment.summary import estimate_mean, estimate_ratio, summarize_answers
from seodang.config import AlignParams, TrainParams
from seodang.inference.generation import Generation
from seodang.models.loading import load_model
from seodang.models.tokenization import decode_answer
from seodang.paths import Paths


def measure_rewards(
    train: TrainParams,
    align: AlignParams,
    prompts: RewardPrompts,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    paths: Paths,
) -> dict[str, Any]:
    """Return the figures on held-out prompts, for the saved adapter as it is evaluated; answers are greedy."""
    if not prompts.held_out:
        return {"training_prompts": len(prompts.training), "prompts": 0}
    _models, answers = answer_held_out(train, align, prompts.held_out, prompts.end_id, device, paths)

    def reward(prompt: RewardPrompt, answer: Generation) -> Reward:
        text = decode_answer(tokenizer, answer.tokens, ())
        return compute_reward(prompt.goal, text, ends=answer.has_eos)

    before = [reward(prompt, each.tuned) for prompt, each in zip(prompts.held_out, answers, strict=True)]
    after = [reward(prompt, each.aligned) for prompt, each in zip(prompts.held_out, answers, strict=True)]
    return {
        "training_prompts": len(prompts.training),
        **summarize_rewards(prompts.held_out, before, after),
        **summarize_answers(answers),
        "samples": decode_samples(prompts.held_out[: train.report_samples], answers, tokenizer),
    }


def answer_held_out(
    train: TrainParams, align: AlignParams, prompts: Sequence[Question], end_id: int, device: str, paths: Paths
) -> tuple[ModelPair, list[AnswerScore]]:
    """Return the saved adapters on their base, and the greedy answers of both to held-out prompts."""
    models = ModelPair(load_model(paths.base, train.precision, device), paths.adapter, paths.aligned_adapter)
    settings = {"max_new_tokens": align.max_new_tokens, "batch_tokens": 4 * train.tokens_per_micro_batch}
    return models, answer_prompts(models, prompts, end_id=end_id, **settings)


def decode_samples(
    prompts: Sequence[Question], answers: Sequence[AnswerScore], tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, str]]:
    """Return prompts and both answers to each as texts; further answers are left out."""
    return [
        {
            name: str(tokenizer.decode(ids, skip_special_tokens=True))
            for name, ids in (
                ("prompt", prompt.prompt),
                ("tuned", answer.tuned.tokens),
                ("aligned", answer.aligned.tokens),
            )
        }
        for prompt, answer in zip(prompts, answers, strict=False)
    ]


def summarize_rewards(
    prompts: Sequence[RewardPrompt], before: Sequence[Reward], after: Sequence[Reward]
) -> dict[str, Any]:
    """Return rewards, constraints met and exact answers before and after, with the change and intervals over groups."""
    constrained = [index for index, prompt in enumerate(prompts) if prompt.goal.ids]
    closed = [index for index, prompt in enumerate(prompts) if not prompt.goal.ids]
    return {
        "prompts": len(prompts),
        "constrained_prompts": len(constrained),
        "reward": compare_values([each.value for each in before], [each.value for each in after], prompts),
        "constraints_met": _compare_met(prompts, before, after, constrained),
        "prompts_met": _compare_at(
            prompts, constrained, [all(each.met) for each in before], [all(each.met) for each in after]
        ),
        "exact_answers": _compare_at(
            prompts, closed, [each.is_exact for each in before], [each.is_exact for each in after]
        ),
        "ended": compare_values([each.ends for each in before], [each.ends for each in after], prompts),
        "by_constraint": _count_met(prompts, before, after),
    }


def _compare_at(
    prompts: Sequence[RewardPrompt], indices: Sequence[int], before: Sequence[Any], after: Sequence[Any]
) -> dict[str, Any] | None:
    """Return the comparison at some of the prompts; None if there are none."""
    if not indices:
        return None
    return compare_values([before[i] for i in indices], [after[i] for i in indices], [prompts[i] for i in indices])


def compare_values(before: Sequence[float], after: Sequence[float], prompts: Sequence[Question]) -> dict[str, Any]:
    """Return the means before and after, and that of the change, each with its interval over groups."""
    groups = [prompt.group for prompt in prompts]
    first, second = np.array(before, dtype=float), np.array(after, dtype=float)
    return {
        "tuned": estimate_mean(first, groups),
        "aligned": estimate_mean(second, groups),
        "change": estimate_mean(second - first, groups),
    }


def _compare_met(
    prompts: Sequence[RewardPrompt], before: Sequence[Reward], after: Sequence[Reward], indices: Sequence[int]
) -> dict[str, Any] | None:
    """Return the share of all constraints that are met; the constraints of a prompt are not independent."""
    if not indices:
        return None
    groups = [prompts[index].group for index in indices]
    first, second = (np.array([float(sum(each[index].met)) for index in indices]) for each in (before, after))
    counts = np.array([float(len(before[index].met)) for index in indices])
    return {
        "constraints": int(counts.sum()),
        "tuned": estimate_ratio(first, counts, groups),
        "aligned": estimate_ratio(second, counts, groups),
        "change": estimate_ratio(second - first, counts, groups),
    }


def _count_met(
    prompts: Sequence[RewardPrompt], before: Sequence[Reward], after: Sequence[Reward]
) -> dict[str, dict[str, int]]:
    """Return how many constraints of each kind there are, and how many the answers meet before and after."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"constraints": 0, "tuned": 0, "aligned": 0})
    for prompt, first, second in zip(prompts, before, after, strict=True):
        for id, is_met, is_met_after in zip(prompt.goal.ids, first.met, second.met, strict=True):
            counts[id]["constraints"] += 1
            counts[id]["tuned"] += is_met
            counts[id]["aligned"] += is_met_after
    return dict(sorted(counts.items()))
