"""Prompts that teach: those whose sampled answers do not all earn the same for their task.

A group of equal rewards has no advantage, and its only gradient is that of the KL term. DAPO samples until no group is
uniform (Yu et al. 2025, arXiv 2503.14476); here the tuned model answers all prompts once, before training.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase, set_seed

from seodang.alignment.group_sampling import sample_answers
from seodang.alignment.reward_prompts import RewardPrompt, RewardPrompts
from seodang.alignment.rewards import compute_reward
from seodang.config import AlignParams
from seodang.i18n import _
from seodang.inference.tree_attention import can_continue_cache
from seodang.models.stop_tokens import get_stop_ids
from seodang.models.tokenization import decode_answer

logger = logging.getLogger(__name__)


def select_prompts(
    model: Any, tokenizer: PreTrainedTokenizerBase, prompts: RewardPrompts, align: AlignParams
) -> RewardPrompts:
    """Return the prompts without the uniform ones of training, unless `align` keeps them.

    A model that cannot share its cache keeps all of them, since it would sample too slowly.

    Args:
        model: The tuned model.
        tokenizer: Of the base.
        prompts: Candidates of training, and the held-out ones, which stay as they are.
        align: Size of a group and of a micro-batch, and the sampling.
    """
    if not align.drop_uniform_prompts or not can_continue_cache(model.get_base_model(), align.max_length):
        return prompts
    set_seed(align.seed)
    was_training = model.training
    model.eval()
    candidates, kept = prompts.training, set()
    order = sorted(range(len(candidates)), key=lambda index: len(candidates[index].prompt))
    stop_ids = get_stop_ids(model, prompts.end_id)
    for start in range(0, len(order), align.micro_batch_size):
        batch = order[start : start + align.micro_batch_size]
        scores = _score_groups(model, tokenizer, [candidates[index] for index in batch], stop_ids, align)
        kept |= {index for index, group in zip(batch, scores, strict=True) if len(set(group)) > 1}
    model.train(was_training)
    selected = [prompt for index, prompt in enumerate(candidates) if index in kept]
    logger.info(
        _(
            "prompts whose sampled answers earn different rewards, which are trained on: {selected} of {candidates}",
            selected=len(selected),
            candidates=len(candidates),
        )
    )
    return replace(prompts, training=selected)


def _score_groups(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[RewardPrompt],
    stop_ids: Sequence[int],
    align: AlignParams,
) -> list[list[float]]:
    """Return what each sampled answer to each prompt earns for the task."""
    owners = [prompt for prompt in prompts for _number in range(align.group_size)]
    answers = sample_answers(
        model,
        [prompt.prompt for prompt in owners],
        stop_ids=stop_ids,
        max_new_tokens=align.max_new_tokens,
        temperature=align.temperature,
    )
    scores = [
        compute_reward(prompt.goal, decode_answer(tokenizer, ids, stop_ids), ends=ids[-1] in stop_ids).task
        for prompt, ids in zip(owners, answers, strict=True)
    ]
    size = align.group_size
    return [scores[start : start + size] for start in range(0, len(scores), size)]
