"""Figures of a reward model: accuracy and length bias, worked out by hand."""

import pytest
from tests.fixtures.gate import build_bounds

from seodang.alignment.reward_model_summary import (
    RatedPair,
    require_better_than_chance,
    require_pairs,
    summarize_reward_model,
)
from seodang.errors import RewardModelRejected


def build_pairs(count, *, right=1.0, longer=True):
    """Return pairs of a model that rates the better answer higher in a share of them."""
    return [RatedPair(str(n), float(n < right * count), 0.5, *((9, 3) if longer else (3, 9))) for n in range(count)]


def test_accuracy_and_margin_are_counted_by_the_length_of_the_better_answer():
    pairs = [*build_pairs(40, right=1.0, longer=True), *build_pairs(40, right=0.5, longer=False)]
    figures = summarize_reward_model([RatedPair(str(n), *_values(pair)) for n, pair in enumerate(pairs)])
    assert figures["pairs"] == 80
    assert figures["accuracy"]["value"] == 0.75
    assert 0.6 < figures["accuracy"]["low"] < 0.75 < figures["accuracy"]["high"] < 0.85
    assert figures["margin"]["value"] == 0.25
    assert (figures["better_is_longer"]["pairs"], figures["better_is_longer"]["accuracy"]["value"]) == (40, 1.0)
    assert (figures["better_is_shorter"]["pairs"], figures["better_is_shorter"]["accuracy"]["value"]) == (40, 0.5)


def _values(pair):
    return pair.chosen, pair.rejected, pair.chosen_length, pair.rejected_length


@pytest.mark.parametrize(("sign", "correlation"), [(1, 1.0), (-1, -1.0)])
def test_a_model_that_only_counts_tokens_has_a_correlation_of_one_with_length(sign, correlation):
    pairs = [RatedPair(str(n), sign * 2.0 * (n % 7), sign * 6.0, n % 7, 3) for n in range(30)]
    figure = summarize_reward_model(pairs)["length_correlation"]
    assert figure["value"] == pytest.approx(correlation, abs=1e-4)


def test_equal_rewards_are_half_right_and_have_no_correlation():
    figures = summarize_reward_model([RatedPair(str(n), 1.0, 1.0, 5, 5) for n in range(20)])
    assert figures["accuracy"]["value"] == 0.5
    assert figures["length_correlation"]["value"] is None
    assert figures["better_is_longer"] == {"pairs": 0, "accuracy": {"value": None, "low": None, "high": None}}


def test_dependent_pairs_count_less():
    pairs = build_pairs(60, right=0.7)
    groups = [RatedPair(str(n // 6), *_values(pair)) for n, pair in enumerate(pairs)]
    assert summarize_reward_model(groups)["accuracy"]["low"] < summarize_reward_model(pairs)["accuracy"]["low"]


@pytest.mark.parametrize(("right", "is_refused"), [(0.8, False), (0.6, True), (0.5, True), (0.2, True)])
def test_the_complete_interval_must_lie_above_chance(right, is_refused):
    figures = summarize_reward_model(build_pairs(50, right=right))
    if not is_refused:
        require_better_than_chance(figures)
        return
    with pytest.raises(RewardModelRejected, match=rf"in {right:.0%} \[\d+%, \d+%\] of 50 held-out pairs"):
        require_better_than_chance(figures)


def test_an_unknown_interval_is_refused():
    with pytest.raises(RewardModelRejected, match="in 100% of 3 held-out pairs"):
        require_better_than_chance(summarize_reward_model(build_pairs(3)))


def test_too_few_pairs_are_refused():
    require_pairs(10, build_bounds())
    with pytest.raises(RewardModelRejected, match=r"9 held-out pairs, and align\.bounds\.minimum_pairs is 10"):
        require_pairs(9, build_bounds())
