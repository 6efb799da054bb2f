"""The statistics of the gate against what is known of them from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from seodang.gate.shape import compute_shape_minimum, compute_unseen_share
from seodang.gate.statistics import (
    adjust_holm,
    compute_paired_bootstrap,
    group_differences,
)

SETTINGS = {"seed": 3, "resamples": 10_000, "confidence": 0.95}


def test_the_interval_of_a_normal_sample_is_as_wide_as_students():
    sample = np.random.default_rng(1).normal(0.3, 1.0, 30)
    found = compute_paired_bootstrap(sample, margin=0.0, **SETTINGS)
    low, high = stats.t.interval(0.95, 29, loc=sample.mean(), scale=stats.sem(sample))
    assert found.difference == pytest.approx(sample.mean())
    assert found.high - found.low == pytest.approx(high - low, rel=0.05)


def test_the_interval_of_few_items_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    found = [
        compute_paired_bootstrap(rng.normal(0.1, 1.0, 12), margin=0.1, seed=trial, resamples=1000, confidence=0.9)
        for trial in range(600)
    ]
    assert 0.87 <= np.mean([one.low <= 0.1 <= one.high for one in found]) <= 0.93  # four standard errors are 0.05


def test_the_p_value_says_what_the_interval_says():
    rng = np.random.default_rng(5)
    for shift in (0.0, 0.2, 0.4, 0.8):
        found = compute_paired_bootstrap(rng.normal(shift, 1.0, 40), margin=0.1, **SETTINGS)
        assert (found.p < 0.05) == (found.low > 0.1 or found.high < 0.1)


def test_p_values_of_equal_models_are_spread_evenly():
    rng = np.random.default_rng(7)
    values = [
        compute_paired_bootstrap(rng.normal(0.0, 1.0, 50), margin=0.0, seed=trial, resamples=1000, confidence=0.95).p
        for trial in range(500)
    ]
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_drawing_counts_and_drawing_items_give_the_same_interval():
    values = np.array([-2.0] * 10 + [0.0] * 60 + [1.0] * 30)
    apart = values + np.linspace(0, 1e-9, 100)  # a hundred distinct values
    by_count, by_item = (compute_paired_bootstrap(sample, margin=0.0, **SETTINGS) for sample in (values, apart))
    assert by_count.low == pytest.approx(by_item.low, abs=0.01)
    assert by_count.high == pytest.approx(by_item.high, abs=0.01)
    assert by_count.p == pytest.approx(by_item.p, abs=0.02)


def test_groups_of_equal_items_are_as_wide_as_one_item_of_each():
    rng = np.random.default_rng(6)
    passages = rng.normal(0.1, 1.0, 40)
    items, groups = np.repeat(passages, 5), np.repeat([f"p{number}" for number in range(40)], 5)
    grouped = compute_paired_bootstrap(items, margin=0.0, groups=list(groups), **SETTINGS)
    alone = compute_paired_bootstrap(passages, margin=0.0, **SETTINGS)
    naive = compute_paired_bootstrap(items, margin=0.0, **SETTINGS)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert naive.high - naive.low < 0.6 * (grouped.high - grouped.low)


def test_the_standard_error_of_single_items_is_that_of_the_textbook():
    sample = np.random.default_rng(8).normal(0.3, 1.0, 25)
    assert group_differences(sample).standard_error == pytest.approx(stats.sem(sample))


def test_a_tail_on_the_low_side_widens_the_interval_on_that_side():
    sample = -np.random.default_rng(9).lognormal(0.0, 1.0, 60)
    found = compute_paired_bootstrap(sample, margin=0.0, **SETTINGS)
    assert found.difference - found.low > 1.3 * (found.high - found.difference)


def test_of_equal_differences_the_interval_is_their_value():
    found = compute_paired_bootstrap(np.full(30, 0.4), margin=0.0, **SETTINGS)
    assert (found.low, found.high) == (pytest.approx(0.4), pytest.approx(0.4))
    assert found.p < 0.001


def test_of_a_single_item_no_interval_is_known():
    found = compute_paired_bootstrap(np.array([1.0]), margin=0.0, **SETTINGS)
    assert (found.low, found.high, found.p) == (-math.inf, math.inf, 1.0)


def test_the_same_seed_gives_the_same_interval():
    sample = np.random.default_rng(1).normal(0.3, 1.0, 100)
    assert compute_paired_bootstrap(sample, margin=0.0, **SETTINGS) == compute_paired_bootstrap(
        sample, margin=0.0, **SETTINGS
    )


def test_a_tail_against_the_decision_asks_for_40_times_the_squared_skewness():
    sample = -np.random.default_rng(10).lognormal(0.0, 1.0, 200)
    grouped = group_differences(sample)
    skewness = stats.skew(sample, bias=False)
    assert compute_shape_minimum(grouped, side=1) == math.ceil(40 * skewness**2)
    assert compute_shape_minimum(grouped, side=-1) == 14  # all of them differ


def test_items_that_are_answered_alike_do_not_hide_the_skewness_of_the_others():
    """With 60 items of which half differ, lognormal(1.2), two equal models were promoted in 9.5 % instead of 2.5 %."""
    tail = -np.random.default_rng(10).lognormal(0.0, 1.0, 30)
    needed = 40 * stats.skew(tail, bias=False) ** 2
    for equal in (0, 30, 90):
        sample = np.concatenate([tail, np.zeros(equal)])
        found = compute_shape_minimum(group_differences(sample), side=1)
        assert found == pytest.approx(needed * (30 + equal) / 30, abs=1)


def test_where_most_differences_are_equal_twenty_others_are_needed():
    sample = np.array([0.0] * 90 + [0.5, -0.5] * 5)
    assert compute_shape_minimum(group_differences(sample), side=1) == 200
    binary = group_differences(np.array([0.0, 1.0, -1.0] * 20))
    assert compute_shape_minimum(binary, side=1, is_binary=True) == 0


def test_differences_of_one_mark_do_not_make_marks_binary():
    """With marks of which 3 % fall by 7 and the others rise by 0 or 1, models of equal means were promoted in 34 %."""
    sample = np.array([0.0] * 13 + [1.0] * 7)  # the sample lacks the falls
    assert compute_shape_minimum(group_differences(sample), side=1) == 58


def test_groups_of_right_or_wrong_answers_may_be_lost_as_a_whole():
    """With 15 passages of 20 questions of which 5 % are lost as a whole, equal models were promoted in 41 %."""
    differences = np.array([1.0] * 10 + [0.0] * 190)
    gains = [f"p{number // 10}" for number in range(200)]  # a single passage has all the gains
    assert compute_shape_minimum(group_differences(differences, gains), side=1, is_binary=True) == 200
    few = ["p0"] * 10 + [f"i{number}" for number in range(190)]
    assert compute_shape_minimum(group_differences(differences, few), side=1, is_binary=True) == 0


def test_a_group_with_most_of_the_items_leaves_few_effective_groups():
    """With 50 single marks and a group of 100, equal models were promoted in 14 %."""
    names = [f"i{number}" for number in range(50)] + ["p"] * 100
    assert group_differences(np.zeros(150), names).effective_groups == pytest.approx(150**2 / (50 + 100**2))
    assert group_differences(np.zeros(150)).effective_groups == 150


def test_two_equal_differences_show_no_spread():
    assert compute_shape_minimum(group_differences(np.array([4.0, 4.0])), side=1) > 2


def test_the_unseen_share_is_about_three_in_n():
    assert compute_unseen_share(count=100, confidence=0.9) == pytest.approx(0.03, abs=0.001)


def test_holm_multiplies_each_by_the_number_of_those_that_are_left():
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([0.5, 0.9]) == [1.0, 1.0]
    assert adjust_holm([]) == []
