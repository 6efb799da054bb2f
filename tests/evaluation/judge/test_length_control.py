"""The win rate at equal lengths is that of the model, and not that of its longer answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from seodang.evaluation.judge.length_control import compute_win_rate, describe_win_rate

PAIRS = 150


def simulate(strength: float, length_effect: float, seed: int = 0):
    """Return lengths and scores of a judge that prefers the candidate by `strength` and length by `length_effect`."""
    generator = np.random.default_rng(seed)
    differences = generator.normal(150, 150, PAIRS)
    covariate = np.tanh(differences / np.sqrt(np.square(differences).mean()))
    scores = generator.random(PAIRS) < expit(strength + length_effect * covariate)
    return [(int(400 + difference), 400) for difference in differences], scores.astype(float).tolist()


def name_groups(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def test_a_judge_that_only_counts_characters_finds_no_better_model():
    lengths, scores = simulate(0.0, 2.0)
    rate = compute_win_rate(lengths, scores, name_groups(PAIRS))
    assert rate.observed.low > 0.55
    assert rate.controlled.low < 0.5 < rate.controlled.high
    assert rate.candidate_length > 500 > rate.champion_length


@pytest.mark.parametrize("strength", [-0.8, 0.7])
def test_the_interval_holds_the_win_rate_of_the_model_alone(strength):
    inside = 0
    for seed in range(4):
        lengths, scores = simulate(strength, 1.0, seed)
        rate = compute_win_rate(lengths, scores, name_groups(PAIRS)).controlled
        inside += rate.low <= expit(strength) <= rate.high
    assert inside >= 3


def test_equal_lengths_leave_the_win_rate_as_it_is():
    scores = [1.0] * 30 + [0.5] * 10 + [0.0] * 20
    rate = compute_win_rate([(100, 100)] * 60, scores, name_groups(60))
    assert rate.controlled.value == pytest.approx(rate.observed.value, abs=0.001)


def test_exchanged_sides_give_the_rest():
    lengths, scores = simulate(0.5, 1.0)
    rate = compute_win_rate(lengths, scores, name_groups(PAIRS)).controlled.value
    exchanged = compute_win_rate(
        [(other, one) for one, other in lengths], [1 - score for score in scores], name_groups(PAIRS)
    )
    assert exchanged.controlled.value == pytest.approx(1 - rate, abs=1e-6)


def test_a_model_that_wins_every_pair_has_a_finite_rate():
    rate = compute_win_rate([(10 + number, 10) for number in range(20)], [1.0] * 20, name_groups(20))
    assert 0.5 < rate.controlled.value < 1


def test_dependent_pairs_widen_the_interval():
    lengths, scores = simulate(0.3, 0.5)
    alone = compute_win_rate(lengths, scores, name_groups(PAIRS)).controlled
    repeated = compute_win_rate(lengths * 3, scores * 3, name_groups(PAIRS) * 3).controlled
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_the_report_holds_the_rates_as_json_and_words_in_both_languages():
    lengths, scores = simulate(0.5, 1.0)
    stored = json.loads(json.dumps(compute_win_rate(lengths, scores, name_groups(PAIRS)).to_json()))
    message = describe_win_rate(stored)
    assert message.translate("en").startswith("win rate 0.")
    assert "길이가 같을 때" in message.translate("ko")
