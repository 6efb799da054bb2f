"""Prompts whose answers all earn the same are left out before training, and equally each time."""

from dataclasses import replace

import pytest
from tests.alignment.alignment_processes import build_reward_prompts, run_rewards

from seodang.alignment.prompt_selection import select_prompts
from seodang.alignment.reward_prompts import RewardPrompts
from seodang.alignment.rewards import Goal
from seodang.alignment.tuning import build_tuned_model
from seodang.models.loading import load_model, load_tokenizer

SMALL = {"method": "grpo", "batch_size": 2, "micro_batch_size": 2, "max_new_tokens": 8, "drop_uniform_prompts": True}
IMPOSSIBLE = Goal(answer="no untrained model writes this", language="en")


@pytest.fixture
def align(build_align_params):
    return build_align_params(**SMALL)


@pytest.fixture
def select(tiny_model, tuned_adapter, align, build_train_params):
    """Selects from prompts, of which the first two can earn nothing for their task."""
    tokenizer = load_tokenizer(tiny_model)
    model = build_tuned_model(load_model(tiny_model, "fp32", "cpu"), align, build_train_params(), tuned_adapter)
    prompts = build_reward_prompts(tokenizer)
    candidates = [replace(prompt, goal=IMPOSSIBLE) for prompt in prompts[:2]] + prompts[2:]
    data = RewardPrompts(candidates, prompts[:1], tokenizer.eos_token_id)

    def select():
        return candidates, select_prompts(model, tokenizer, data, align)

    return select


def test_prompts_that_no_sampled_answer_solves_are_left_out(select):
    candidates, selected = select()
    assert 0 < len(selected.training) <= 6
    assert selected.training == [prompt for prompt in candidates[2:] if prompt in selected.training]
    assert len(selected.held_out) == 1


def test_the_selection_is_the_same_each_time(select):
    assert select()[1] == select()[1]


def test_a_run_trains_on_the_selected_prompts_and_counts_them(
    tiny_model, tuned_adapter, align, build_train_params, build_align_params, tmp_path
):
    runs = {}
    for drops in (True, False):
        params = build_align_params(**SMALL | {"drop_uniform_prompts": drops, "epochs": 1.0})
        runs[drops] = run_rewards(tiny_model, tuned_adapter, tmp_path / str(drops), params, build_train_params())
    assert runs[False].selected_prompts == 8
    assert runs[True].steps == runs[True].selected_prompts // 2 < runs[False].steps
