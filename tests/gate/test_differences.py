"""The sign of a difference in tables."""

import pytest

from seodang.gate.differences import read_score_difference


def make_result(metric: str, reference: float, candidate: float, *, sign: float, low: float | None = -0.1) -> dict:
    """Return the fields of a rule's result; `sign` is that of the gate, which makes more better."""
    return {
        "metric": metric,
        "reference": reference,
        "candidate": candidate,
        "difference": sign * (candidate - reference),
        "low": low,
        "high": None if low is None else 0.4,
    }


def test_a_loss_that_rises_has_a_plus_sign_and_its_interval_turns_with_it():
    difference = read_score_difference(make_result("loss", 0.5, 0.6, sign=-1.0))
    assert difference.value == pytest.approx(0.1)
    assert (difference.low, difference.high) == (-0.4, 0.1)


def test_an_accuracy_that_rises_has_a_plus_sign():
    difference = read_score_difference(make_result("accuracy", 0.5, 0.6, sign=1.0))
    assert difference.value == pytest.approx(0.1)
    assert (difference.low, difference.high) == (-0.1, 0.4)


def test_a_metric_of_another_evaluation_follows_its_scores():
    """A rule file says of an unknown metric that lower is better."""
    assert read_score_difference(make_result("stumbles", 3.0, 2.0, sign=-1.0)).value == -1.0


def test_equal_scores_have_a_difference_of_zero_without_a_sign():
    difference = read_score_difference(make_result("loss", 0.5, 0.5, sign=-1.0, low=None))
    assert f"{difference.value:+.3f}" == "+0.000"
    assert (difference.low, difference.high) == (None, None)
