"""Scores that cannot be scores of their metric."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.fixtures.gate import build_gate

from seodang.errors import EvaluationError
from seodang.gate.pairing import pair_scores
from seodang.gate.score_scales import list_bound_errors
from seodang.gate.scores import Score, ScoreKey


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


FRACTIONS, PERCENT = [0.31, 0.44, 0.52, 0.6, 0.12] * 4, [31.0, 44.2, 52.5, 60.1, 12.0] * 4


@pytest.mark.parametrize(
    ("metric", "small", "large"),
    [
        ("chrf", FRACTIONS, PERCENT),
        ("chrf", FRACTIONS, [value / 3 for value in PERCENT]),
        ("rouge_l", FRACTIONS, PERCENT),
        ("rougeL", FRACTIONS, PERCENT),
        ("bleu", FRACTIONS, PERCENT),
        ("wer", FRACTIONS, PERCENT),
        ("accuracy", [0, 1] * 10, [0, 100] * 10),
        ("exact_match", [True, False] * 10, [100, 0] * 10),
        ("politeness", FRACTIONS, PERCENT),
        ("judge_quality", FRACTIONS, [3, 5, 6, 6, 2] * 4),
    ],
)
def test_one_metric_on_two_scales_is_refused_with_both_ranges(metric, small, large):
    for candidate, reference in ((small, large), (large, small)):
        with pytest.raises(EvaluationError, match="one scale for both") as found:
            pair_scores(build(metric, candidate), build(metric, reference), "champion")
        message = str(found.value)
        for values in (small, large):
            assert f"between {min(values):g} and {max(values):g}" in message
        assert message.count(f"{metric}:") == 1


def test_one_task_on_another_scale_is_refused_though_the_file_has_both():
    def build_task(task, values):
        return {ScoreKey(task, str(n), "chrf"): Score("ko", value) for n, value in enumerate(values)}

    candidate = build_task("a", PERCENT) | build_task("b", FRACTIONS)
    with pytest.raises(EvaluationError, match=r"chrf b: the scores of the candidate lie between 0\.12 and 0\.6"):
        pair_scores(candidate, build_task("a", PERCENT) | build_task("b", PERCENT), "champion")


@pytest.mark.parametrize("metric", ["reward", "margin_of_logits"])
def test_scores_of_opposite_signs_are_refused(metric):
    with pytest.raises(EvaluationError, match="opposite sign"):
        pair_scores(build(metric, FRACTIONS), build(metric, [-value for value in FRACTIONS]), "champion")


@pytest.mark.parametrize(("metric", "value"), [("wer", -0.2), ("nll", -1.5), ("log_likelihood", 2.0)])
def test_a_sign_that_the_metric_cannot_have_is_refused(metric, value):
    with pytest.raises(EvaluationError, match="lies at 0 or"):
        pair_scores(build(metric, [value]), build(metric, [value]), "champion")


@pytest.mark.parametrize(
    ("metric", "candidate", "reference"),
    [
        ("chrf", [0.0] * 18 + [0.4, 0.2], PERCENT),  # a model that answers nothing
        ("chrf", [0.2, 0.3] * 10, [0.9, 3.5] * 10),
        ("judge_quality", [1] * 20, [7] * 20),
        ("judge_quality", [0, 1] * 10, [6, 9] * 10),
        ("loss", FRACTIONS, PERCENT),
        ("latency", FRACTIONS, PERCENT),
        ("reward", [-0.5, 0.4] * 10, [2.5, 30.0] * 10),
        ("accuracy", [0, 0, 0], [1, 1, 0]),
    ],
)
def test_scores_that_are_only_much_worse_are_compared(metric, candidate, reference):
    for first, second in ((candidate, reference), (reference, candidate)):
        assert pair_scores(build(metric, first), build(metric, second), "champion")


def test_the_pipeline_knows_the_scale_of_its_own_scores():
    assert pair_scores(build("chrf", FRACTIONS), build("chrf", PERCENT), "base", has_known_scale=True)


@pytest.mark.parametrize(
    ("metric", "bounds", "scores", "is_refused"),
    [
        ("chrf", {"rules": [{"test": "non_inferiority", "margin": 2.0}]}, FRACTIONS, True),
        ("chrf", {"rules": [{"test": "non_inferiority", "margin": 2.0}]}, PERCENT, False),
        ("acc", {"rules": [{"test": "non_inferiority", "margin": 3.0}]}, [0, 1] * 10, True),
        ("acc", {"rules": [{"test": "non_inferiority", "margin": 0.03}]}, [0, 1] * 10, False),
        ("acc", {"thresholds": [{"minimum": 0.8}]}, [0, 100] * 10, True),
        ("acc", {"thresholds": [{"minimum": 80.0}]}, [0, 1] * 10, True),
        ("acc", {"thresholds": [{"minimum": 80.0}]}, [0, 100] * 10, False),
        ("acc", {"thresholds": [{"minimum": 1.0}]}, [0, 1] * 10, False),
    ],
)
def test_a_bound_on_another_scale_than_the_scores_is_refused(metric, bounds, scores, is_refused):
    rules = [{"against": "champion", "metric": metric, **rule} for rule in ({}, *bounds.get("rules", []))]
    thresholds = [{"metric": metric, "maximum": None, "tasks": [], **one} for one in bounds.get("thresholds", [])]
    pairs = pair_scores(build(metric, scores), build(metric, scores), "champion")
    assert bool(list_bound_errors(build_gate(*rules, thresholds=thresholds), pairs)) == is_refused


@pytest.mark.parametrize(("metric", "margin"), [("accuracy", 3.0), ("exact_match", 1.0), ("chrf", 100.0)])
def test_a_margin_as_large_as_the_range_is_refused(metric, margin):
    with pytest.raises(ValidationError, match="no difference exceeds it"):
        build_gate({"metric": metric, "margin": margin, "test": "non_inferiority"})
