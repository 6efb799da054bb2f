"""How many items meet the rules of a verdict together."""

import numpy as np
import pytest
from scipy import stats

from seodang.gate.power import Effect, estimate_joint_scale, estimate_rejection_scale


def make_effect(distance, *, items=100, seed=0, significance=0.05):
    noise = np.random.default_rng(seed).normal(size=items)
    noise -= noise.mean()
    influence = noise / np.sqrt(np.square(noise).sum()) * 0.1
    names = [f"item {number}" for number in range(items)]
    return Effect(distance, 0.1, dict(zip(names, influence.tolist(), strict=True)), significance)


def test_the_scale_of_one_test_is_that_of_the_textbook():
    # ((1.96 + 0.84) * standard error / distance) ** 2
    assert estimate_joint_scale([make_effect(0.1)], 0.8) == pytest.approx(7.85, rel=0.03)
    assert estimate_rejection_scale(make_effect(-0.1), 0.8) == pytest.approx(7.85, rel=0.01)


def test_independent_tests_need_a_higher_power_each():
    scale = estimate_joint_scale([make_effect(0.1, seed=seed) for seed in range(8)], 0.8)
    each = stats.norm.sf(1.96 - np.sqrt(scale))
    assert each**8 == pytest.approx(0.8, abs=0.03)


def test_the_same_test_twice_needs_no_more_items_than_once():
    effect = make_effect(0.1)
    assert estimate_joint_scale([effect, effect], 0.8) == pytest.approx(estimate_joint_scale([effect], 0.8), rel=0.03)


def test_no_number_of_items_meets_a_rule_on_the_wrong_side_of_its_bound():
    assert estimate_joint_scale([make_effect(0.1), make_effect(-0.1)], 0.8) is None
    assert estimate_joint_scale([], 0.8) is None
    assert estimate_rejection_scale(make_effect(0.0), 0.8) is None
