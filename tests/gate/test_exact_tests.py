"""The exact tests of the gate against what is known of them from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from seodang.gate.exact_tests import compute_paired_p, compute_tango_p, is_binary


def test_mcnemar_counts_only_the_items_on_which_the_two_differ():
    candidate = np.array([1.0] * 8 + [0.0] * 2 + [1.0] * 50 + [0.0] * 40)
    reference = np.array([0.0] * 8 + [1.0] * 2 + [1.0] * 50 + [0.0] * 40)
    # Two or fewer of ten, twice: 2 * (1 + 10 + 45) / 1024.
    assert compute_paired_p(candidate, reference, seed=1, resamples=1000) == pytest.approx(112 / 1024)
    assert compute_paired_p(reference, reference, seed=1, resamples=1000) == 1.0


def test_the_permutation_of_groups_counts_groups_not_items():
    # Five passages of twenty questions, each won as a whole: 2 of 2**5 signs are as extreme, however many the questions.
    candidate, reference = np.ones(100), np.zeros(100)
    groups = [f"p{number // 20}" for number in range(100)]
    found = compute_paired_p(candidate, reference, seed=1, resamples=20_000, groups=groups)
    assert found == pytest.approx(2 / 32, abs=0.006)


def test_the_score_test_knows_that_rare_losses_may_be_missing():
    equal = np.ones(358)
    assert compute_tango_p(equal, equal, margin=-0.02) < 0.05  # with no loss in n items the bound is z**2 / (n + z**2)
    assert compute_tango_p(equal[:150], equal[:150], margin=-0.02) > 0.05


def test_the_score_test_without_a_margin_is_mcnemars():
    candidate = np.array([1.0] * 30 + [0.0] * 15 + [1.0] * 100)
    reference = np.array([0.0] * 30 + [1.0] * 15 + [1.0] * 100)
    expected = 2 * stats.norm.sf((30 - 15) / math.sqrt(45))
    assert compute_tango_p(candidate, reference, margin=0.0) == pytest.approx(expected)


def test_only_zero_and_one_are_right_and_wrong():
    assert is_binary(np.array([0.0, 1.0]), np.array([1.0]))
    assert not is_binary(np.array([0.0, 0.5]))
