"""The statistics of the gate against what is known of them from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from seodang.gate.statistics import (
    adjust_holm,
    compute_mcnemar_exact,
    compute_paired_bootstrap,
    estimate_required_items,
    is_binary,
    resample_means,
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


def test_drawing_counts_and_drawing_items_give_the_same_distribution():
    values = np.array([-1.0] * 10 + [0.0] * 60 + [1.0] * 30)
    apart = values + np.linspace(0, 1e-9, 100)  # a hundred distinct values
    by_count, by_item = (resample_means(sample, seed=4, resamples=20_000) for sample in (values, apart))
    assert (
        stats.ks_2samp(by_count, by_item).pvalue > 0.001
        or abs(np.quantile(by_count, 0.025) - np.quantile(by_item, 0.025)) < 0.011
    )


def test_of_a_single_item_no_interval_is_known():
    found = compute_paired_bootstrap(np.array([1.0]), margin=0.0, **SETTINGS)
    assert (found.low, found.high, found.p) == (-math.inf, math.inf, 1.0)


def test_the_same_seed_gives_the_same_interval():
    sample = np.random.default_rng(1).normal(0.3, 1.0, 100)
    assert compute_paired_bootstrap(sample, margin=0.0, **SETTINGS) == compute_paired_bootstrap(
        sample, margin=0.0, **SETTINGS
    )


def test_mcnemar_counts_only_the_items_on_which_the_two_differ():
    candidate = np.array([1.0] * 8 + [0.0] * 2 + [1.0] * 50 + [0.0] * 40)
    reference = np.array([0.0] * 8 + [1.0] * 2 + [1.0] * 50 + [0.0] * 40)
    # Two or fewer of ten, twice: 2 * (1 + 10 + 45) / 1024.
    assert compute_mcnemar_exact(candidate, reference) == pytest.approx(112 / 1024)
    assert compute_mcnemar_exact(reference, reference) == 1.0


def test_holm_multiplies_each_by_the_number_of_those_that_are_left():
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([0.5, 0.9]) == [1.0, 1.0]
    assert adjust_holm([]) == []


def test_the_estimated_items_decide_about_as_often_as_the_power_says():
    rng = np.random.default_rng(11)
    pilot = np.concatenate([np.full(30, 1.3), np.full(30, -0.7)])  # mean 0.3, spread 1
    needed = estimate_required_items(pilot, margin=0.0, significance=0.05, power=0.8)
    assert needed == pytest.approx(89, abs=3)
    decided = [stats.ttest_1samp(rng.normal(0.3, 1.0, needed), 0).pvalue < 0.05 for _ in range(1000)]
    assert 0.75 <= np.mean(decided) <= 0.85


def test_no_number_of_items_tells_a_difference_that_is_the_margin():
    assert estimate_required_items(np.array([1.0, -1.0] * 20), margin=0.0, significance=0.05, power=0.8) is None
    assert estimate_required_items(np.array([1.0]), margin=0.0, significance=0.05, power=0.8) is None


def test_only_zero_and_one_are_right_and_wrong():
    assert is_binary(np.array([0.0, 1.0]), np.array([1.0]))
    assert not is_binary(np.array([0.0, 0.5]))
