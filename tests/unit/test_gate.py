"""The gate: a pure decision with its reasons."""

import numpy as np
import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.gate import compare, decide, paired_bootstrap, scores_of
from seodang.params import GateParams


def rules(**changes: object) -> GateParams:
    values = {
        "seed": 1, "resamples": 2000, "confidence": 0.95, "metric": "accuracy", "tasks": [], "minimum_score": 0.9,
        "minimum_margin": 0.0, "minimum_items": 50, "minimum_stop_rate": 0.95,
    }  # fmt: skip
    return GateParams.model_validate({**values, **changes})


def arm(values: list[float]) -> dict[str, float]:
    return {f"item{number:04}": value for number, value in enumerate(values)}


def decision(tuned: list[float], base: list[float], stop_rate: float | None = 1.0, **changes: object):
    gate = rules(**changes)
    found = compare(arm(tuned), arm(base), "few_shot", gate)
    return decide([found], found.tuned, stop_rate, gate)


def test_a_clearly_better_model_is_promoted():
    assert decision([1.0] * 190 + [0.0] * 10, [1.0] * 80 + [0.0] * 120).verdict == "promote"


def test_an_equal_model_is_never_promoted():
    same = [1.0] * 95 + [0.0] * 5
    assert decision(same, same).verdict == "reject"


def test_a_better_model_on_too_few_items_is_inconclusive():
    assert decision([1.0] * 20, [0.0] * 20).verdict == "inconclusive"


def test_an_interval_that_reaches_the_margin_is_inconclusive():
    base = [1.0] * 97 + [0.0] * 3
    tuned = [1.0] * 98 + [0.0] * 2
    assert decision(tuned, base).verdict == "inconclusive"


def test_a_model_that_does_not_stop_is_rejected_and_the_reason_says_so_in_both_languages():
    found = decision([1.0] * 100, [0.0] * 100, stop_rate=0.5)
    assert found.verdict == "reject"
    failed = [reason for reason in found.reasons if reason.passed is False]
    assert len(failed) == 1
    assert "50.0%" in failed[0].ko
    assert "ended by themselves" in failed[0].en


def test_different_item_sets_are_refused():
    with pytest.raises(EvaluationError, match="not asked the same items"):
        compare(arm([1.0, 0.0]), arm([1.0]), "zero_shot", rules())


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        sample = rng.normal(0.1, 1.0, 100)
        low, high = paired_bootstrap(list(sample), seed=trial, resamples=500, confidence=0.9)
        covered += low <= 0.1 <= high
    assert 0.82 <= covered / 200 <= 0.97


def test_only_the_named_tasks_of_the_test_split_decide():
    rows = [
        {"arm": "tuned", "split": "test", "task": "a", "item": "1", "accuracy": 1.0},
        {"arm": "tuned", "split": "unseen", "task": "a", "item": "2", "accuracy": 0.0},
        {"arm": "tuned", "split": "test", "task": "b", "item": "3", "accuracy": None},
        {"arm": "tuned", "split": "test", "task": "c", "item": "4", "accuracy": 0.0},
    ]
    assert scores_of(rows, "tuned", rules(tasks=["a", "b"])) == {"a/1": 1.0}
    with pytest.raises(EvaluationError, match=r"gate\.metric"):
        scores_of(rows, "tuned", rules(tasks=["b"]))
