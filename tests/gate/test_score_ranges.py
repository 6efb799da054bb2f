"""Scores that cannot be scores of their metric."""

from __future__ import annotations

import pytest

from seodang.errors import EvaluationError
from seodang.gate.scores import Score, ScoreKey, pair_scores


def build(metric, values):
    return {ScoreKey("nsmc", str(number), metric): Score("ko", float(value)) for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("metric", "value", "message"),
    [
        ("accuracy", 5, "between 0 and 1"),
        ("accuracy", -1, "between 0 and 1"),
        ("exact_match", 100, "between 0 and 1"),
        ("chrf", 500, "between 0 and 100"),
        ("loss", -1, "at 0 or above"),
        ("bits_per_byte", -0.5, "at 0 or above"),
        ("acc,none", 950, "between 0 and 100"),
    ],
)
def test_a_score_outside_its_range_is_refused_with_its_item(metric, value, message):
    good = build(metric, [0, 1, 1])
    for candidate, reference, name in (
        (build(metric, [0, value, 1]), good, "candidate"),
        (good, build(metric, [0, value, 1]), "champion"),
    ):
        with pytest.raises(EvaluationError, match=message) as found:
            pair_scores(candidate, reference, "champion")
        assert f"{name}: {metric} of nsmc/1 is {value:g}" in str(found.value)


@pytest.mark.parametrize("metric", ["acc", "acc_norm,none", "f1", "pass@1", "recall"])
def test_a_percentage_beside_a_share_is_refused(metric):
    with pytest.raises(EvaluationError, match="one scale for both"):
        pair_scores(build(metric, [100, 0, 100]), build(metric, [1, 0, 1]), "champion")


@pytest.mark.parametrize(
    ("metric", "candidate", "reference"),
    [
        ("acc", [100, 0, 100], [100, 0, 0]),
        ("acc", [100, 0, 100], [0, 0, 0]),
        ("acc", [1, 0, 1], [0, 0, 0]),
        ("loss", [0.0, -1e-9, 12.5], [0.0, 1.0, 300.0]),
        ("reward", [-3.5, 2.0, 9.0], [0.1, 0.2, 0.3]),
        ("judge_quality", [1, 5, 10], [1, 1, 1]),
        ("length_ratio", [0.5, 3.0, 1.0], [1, 1, 1]),
    ],
)
def test_scores_within_the_range_of_their_metric_are_compared(metric, candidate, reference):
    assert len(pair_scores(build(metric, candidate), build(metric, reference), "champion")[metric]) == 3
