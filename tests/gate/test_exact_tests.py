"""The exact tests of the gate against what is known of them from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from seodang.gate.exact_tests import compute_mcnemar_p, compute_paired_p, compute_tango_p, is_binary


def list_tables(count):
    """Return the wins and losses that `count` items can have, with the p-value of each."""
    tables = [(wins, losses) for wins in range(count + 1) for losses in range(count + 1 - wins)]
    wins, losses = np.array(tables).T
    return wins, losses, np.array([compute_mcnemar_p(*table, count=count) for table in tables])


def compute_chances(wins, losses, *, count, win, loss):
    """Return the trinomial probability of each table."""
    cells = np.stack([wins, losses, count - wins - losses], axis=1)
    return stats.multinomial(count, [win, loss, 1 - win - loss]).pmf(cells)


def test_right_and_wrong_answers_are_compared_by_wins_and_losses_among_all_items():
    candidate = np.array([1.0] * 8 + [0.0] * 2 + [1.0] * 50 + [0.0] * 40)
    reference = np.array([0.0] * 8 + [1.0] * 2 + [1.0] * 50 + [0.0] * 40)
    assert compute_paired_p(candidate, reference, seed=1, resamples=1000) == compute_mcnemar_p(8, 2, count=100)
    assert compute_mcnemar_p(8, 2, count=100) == compute_mcnemar_p(2, 8, count=100)
    assert compute_paired_p(reference, reference, seed=1, resamples=1000) == 1.0


def test_the_p_value_is_as_large_as_with_any_likely_share_of_differing_items():
    wins, losses, p_values = list_tables(12)
    statistic = np.abs(wins - losses) / np.sqrt(np.maximum(wins + losses, 1))

    def compute_chance(share, least):
        chances = compute_chances(wins, losses, count=12, win=share / 2, loss=share / 2)
        return chances[statistic >= least - 1e-9].sum()

    for won, lost in ((5, 0), (6, 1), (3, 2), (12, 0)):
        least = abs(won - lost) / math.sqrt(won + lost)
        found = p_values[(wins == won) & (losses == lost)][0]
        assert found >= max(compute_chance((won + lost) / 12 + shift, least) for shift in (-0.2, -0.1, 0.0))
        assert found <= max(compute_chance(share, least) for share in np.linspace(0.01, 1.0, 400)) + 1e-6


@pytest.mark.parametrize("count", [20, 33])
def test_equal_models_are_promoted_in_at_most_one_of_forty_samples_whatever_share_of_items_differs(count):
    wins, losses, p_values = list_tables(count)
    is_promoted = (wins > losses) & (p_values <= 0.05)
    for share in np.linspace(0.01, 1.0, 50):
        chances = compute_chances(wins, losses, count=count, win=share / 2, loss=share / 2)
        assert chances[is_promoted].sum() <= 0.025


def test_a_better_model_is_found_more_often_than_by_mcnemars_exact_test():
    wins, losses, p_values = list_tables(42)
    conditional = np.minimum(1.0, 2 * stats.binom.cdf(np.minimum(wins, losses), wins + losses, 0.5))
    chances = compute_chances(wins, losses, count=42, win=0.35, loss=0.15)
    power = {
        name: chances[(wins > losses) & (p <= 0.05)].sum() for name, p in (("ours", p_values), ("exact", conditional))
    }
    assert power["ours"] > power["exact"] + 0.06


def test_many_items_give_the_p_value_of_mcnemars_exact_test():
    assert compute_mcnemar_p(31_000, 30_000, count=200_000) == pytest.approx(
        stats.binomtest(31_000, 61_000).pvalue, rel=0.05
    )
    assert compute_mcnemar_p(20, 0, count=20) < 1e-5
    assert compute_mcnemar_p(0, 1, count=1000) > 0.5


def test_the_permutation_of_groups_counts_groups_not_items():
    # Five passages of twenty questions, each won completely: 2 of 2**5 signs are as extreme, however many the
    # questions.
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


def test_the_score_test_counts_groups_where_they_do_not_show_how_much_their_items_depend():
    equal = np.ones(20)
    groups = [f"p{number % 10}" for number in range(20)]
    found = compute_tango_p(equal, equal, margin=-0.1, groups=groups)
    assert found == compute_tango_p(np.ones(10), np.ones(10), margin=-0.1)
    assert found > compute_tango_p(equal, equal, margin=-0.1)


def test_the_score_test_counts_items_of_groups_as_many_as_have_the_same_standard_error():
    rng = np.random.default_rng(3)
    candidate, reference = (rng.random((2, 60)) < 0.6).astype(float)
    copies = np.repeat(candidate, 5), np.repeat(reference, 5)
    groups = [f"p{number // 5}" for number in range(300)]
    alone = compute_tango_p(candidate, reference, margin=-0.1)
    assert compute_tango_p(*copies, margin=-0.1, groups=groups) == pytest.approx(alone, rel=0.05)
    scattered = [f"p{number % 60}" for number in range(300)]
    independent = (rng.random((2, 300)) < 0.6).astype(float)
    assert compute_tango_p(*independent, margin=-0.1, groups=scattered) == pytest.approx(
        compute_tango_p(*independent, margin=-0.1), abs=0.1
    )
