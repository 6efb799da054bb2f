"""The evidence against a worse candidate: exact probabilities, and properties that hold for all counts."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seodang.canary.evidence import (
    Observations,
    build_rate,
    compute_difference_interval,
    compute_log_evidence,
    compute_log_product,
)

COUNTS = st.integers(0, 400).flatmap(lambda number: st.tuples(st.integers(0, number), st.just(number)))


def compute_grid(first, second, margin):
    """Return the evidence for all numbers of successes of both versions; shape (first + 1, second + 1)."""
    reference = build_rate(np.arange(first + 1.0)[:, None], np.full((first + 1, 1), float(first)))
    candidate = build_rate(np.arange(second + 1.0)[None, :], np.full((1, second + 1), float(second)))
    return np.exp(compute_log_evidence(reference, candidate, margin))


@pytest.mark.parametrize("margin", [0.0, 0.1, -0.1])
def test_the_exact_expectation_is_at_most_one_for_a_candidate_that_is_not_worse(margin):
    evidence = compute_grid(30, 12, margin)
    for rate, gain in product((0.02, 0.3, 0.5, 0.9, 0.99), (0.0, 0.05, 0.3)):
        other = rate - margin + gain
        if 0 <= other <= 1:
            weights = np.outer(stats.binom.pmf(range(31), 30, rate), stats.binom.pmf(range(13), 12, other))
            assert (weights * evidence).sum() <= 1 + 1e-9


@pytest.fixture(scope="module")
def is_evident():
    """Whether the evidence reaches 5, for all numbers of successes after each pair of requests."""
    return [compute_grid(pairs, pairs, 0.0) >= 5 for pairs in range(1, 31)]


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.98])
def test_looking_after_every_pair_of_requests_exceeds_the_threshold_with_the_probability_alpha_at_most(
    rate, is_evident
):
    undecided = np.ones((1, 1))  # probability of each pair of numbers of successes without a verdict
    step = np.array([1 - rate, rate])
    for pairs, evident in enumerate(is_evident, start=1):
        grown = np.zeros((pairs + 1, pairs + 1))
        for first, second in product((0, 1), (0, 1)):
            grown[first : first + pairs, second : second + pairs] += undecided * step[first] * step[second]
        undecided = np.where(evident, 0.0, grown)
    assert 0 < 1 - undecided.sum() <= 1 / 5


def test_means_of_a_bounded_value_have_an_expectation_of_at_most_one():
    values, weights = np.array([0.0, 0.25, 1.0]), np.array([0.2, 0.5, 0.3])
    counts = np.array([c for c in product(range(7), repeat=3) if sum(c) == 6], float)
    probability = stats.multinomial.pmf(counts, 6, weights)
    versions = Observations(values, counts[:, None, :]), Observations(values, counts[None, :, :])
    assert (np.exp(compute_log_evidence(*versions, 0.0)) * np.outer(probability, probability)).sum() <= 1 + 1e-9


@settings(max_examples=30, deadline=None)
@given(COUNTS, COUNTS, st.floats(-0.3, 0.3), st.floats(0, 1))
def test_no_mean_gives_less_wealth_than_the_evidence(reference, candidate, margin, part):
    versions = build_rate(*reference), build_rate(*candidate)
    mean = np.asarray(part * min(1.0, 1.0 + margin))
    assert compute_log_evidence(*versions, margin) <= compute_log_product(*versions, margin, mean) + 1e-6


@settings(max_examples=25, deadline=None)
@given(COUNTS, COUNTS, st.floats(-0.3, 0.3), st.floats(0, 0.2))
def test_a_larger_margin_needs_more_evidence(reference, candidate, margin, more):
    versions = build_rate(*reference), build_rate(*candidate)
    assert compute_log_evidence(*versions, margin + more) <= compute_log_evidence(*versions, margin) + 1e-6


@settings(max_examples=25, deadline=None)
@given(COUNTS, COUNTS)
def test_both_directions_are_never_evident_at_once(first, second):
    versions = build_rate(*first), build_rate(*second)
    assert min(compute_log_evidence(*versions, 0.0), compute_log_evidence(*versions[::-1], 0.0)) <= 1e-9


@pytest.mark.parametrize(("first", "second"), [((90, 100), (6, 10)), ((0, 30), (30, 30)), ((999, 1000), (199, 200))])
def test_the_interval_holds_the_observed_difference(first, second):
    low, high = compute_difference_interval(build_rate(*first), build_rate(*second), 0.95)
    assert low <= second[0] / second[1] - first[0] / first[1] <= high


def test_without_observations_there_is_no_evidence():
    empty, many = build_rate(0, 0), build_rate(90, 100)
    assert compute_log_evidence(empty, empty, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert compute_log_evidence(many, empty, 0.0) <= 0.0
    assert math.isnan(empty.compute_mean())


def test_a_constant_gap_becomes_evident_as_requests_come():
    evidence = [
        float(compute_log_evidence(build_rate(9 * n, 10 * n), build_rate(8 * n, 10 * n), 0.0)) for n in (10, 50, 200)
    ]
    assert evidence == sorted(evidence)
    assert evidence[0] < math.log(20) < evidence[1]
