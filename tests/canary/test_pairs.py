"""Evidence from pairs of answers to the same items."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from seodang.canary.evidence import build_rate, compute_log_evidence
from seodang.canary.pairs import PairCounts, compute_pair_interval, compute_pair_log_evidence


@pytest.mark.parametrize("margin", [0.0, 0.1, -0.1])
def test_the_exact_expectation_is_at_most_one_for_a_candidate_that_is_not_worse(margin):
    counts = np.array([c for c in product(range(13), repeat=3) if sum(c) == 12], float)
    evidence = np.exp(compute_pair_log_evidence(PairCounts(*counts.T), margin))
    for lost, gained in ((0.3, 0.3 - margin), (0.2 + margin, 0.2), (0.15, 0.4)):
        weights = np.array([lost, 1 - lost - gained, gained])
        assert gained >= 0
        assert (stats.multinomial.pmf(counts, 12, weights) * evidence).sum() <= 1 + 1e-9


def test_equal_answers_are_no_evidence_with_a_margin_of_zero():
    pairs = PairCounts(np.array(0.0), np.array(1000.0), np.array(0.0))
    assert compute_pair_log_evidence(pairs, 0.0) == pytest.approx(0.0, abs=1e-9)


def test_pairs_show_a_drop_with_a_part_of_the_items_that_separate_ones_need():
    def rate(number):
        return compute_log_evidence(build_rate(0.8 * number, number), build_rate(0.7 * number, number), 0.01)

    def pair(number):
        return compute_pair_log_evidence(
            PairCounts(np.array(0.12 * number), np.array(0.86 * number), np.array(0.02 * number)), 0.01
        )

    assert pair(200) > math.log(20) > rate(600)


def test_the_interval_holds_the_observed_difference_and_narrows():
    few = compute_pair_interval(PairCounts(np.array(12.0), np.array(86.0), np.array(2.0)), 0.95)
    many = compute_pair_interval(PairCounts(np.array(120.0), np.array(860.0), np.array(20.0)), 0.95)
    assert few[0] < many[0] < -0.1 < many[1] < few[1]
    assert many[1] < 0


def test_swapped_versions_have_the_opposite_interval():
    pairs = PairCounts(np.array(30.0), np.array(60.0), np.array(10.0))
    low, high = compute_pair_interval(pairs, 0.9)
    assert compute_pair_interval(pairs.swap(), 0.9) == pytest.approx((-high, -low), abs=1e-5)
