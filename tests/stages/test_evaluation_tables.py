"""What `dvc plots` and `dvc metrics` show of an evaluation and its verdict."""

from pathlib import Path

import pytest
import yaml

from seodang.gate import decision
from seodang.gate.messages import Reason
from seodang.stages.evaluate import build_shots_rows
from seodang.stages.gate import build_gate_metrics

ROOT = Path(__file__).resolve().parents[2]


def evaluated(**scores):
    """Return a report in which each arm (name, format, shots) has an accuracy."""
    arms = {
        "zero_shot/alpaca": ("alpaca", 0),
        "zero_shot/chat": ("chat", 0),
        "few_shot/alpaca/3": ("alpaca", 3),
        "few_shot/chat/3": ("chat", 3),
        "tuned": ("chat", 0),
        "champion": ("chat", 0),
    }
    return {
        "variants": [
            {
                "name": name,
                "accuracy": scores.get("accuracy", {}).get(name),
                "exact_match": scores.get("exact_match", {}).get(name),
            }
            for name in arms
        ],
        "best": {"zero_shot": "zero_shot/chat", "few_shot": "few_shot/alpaca/3"},
        "formats": {name: {"format": format, "shots": shots} for name, (format, shots) in arms.items()},
    }


ACCURACY = {
    "zero_shot/alpaca": 0.2,
    "zero_shot/chat": 0.3,
    "few_shot/alpaca/3": 0.5,
    "few_shot/chat/3": 0.4,
    "tuned": 0.9,
    "champion": 0.8,
}


def test_the_base_is_plotted_by_its_best_format_of_each_number_of_exemplars():
    assert build_shots_rows(evaluated(accuracy=ACCURACY)) == [[0, 0.3, 0.9], [3, 0.5, 0.9]]


def test_without_tasks_that_have_choices_the_exact_answers_are_plotted():
    assert build_shots_rows(evaluated(exact=ACCURACY)) == [[0, 0.3, 0.9], [3, 0.5, 0.9]]
    assert build_shots_rows(evaluated()) == []


def found(**changes):
    kept = {
        "rule": 0,
        "against": "few_shot/3",
        "test": "superiority",
        "metric": "accuracy",
        "of": "",
        "margin": 0.0,
        "items": 200,
        "candidate": 0.9,
        "reference": 0.5,
        "difference": 0.4,
    }
    return decision.RuleResult(
        **{
            **kept,
            "low": 0.31,
            "high": 0.49,
            "p": 0.0002,
            "p_mcnemar": None,
            "p_holm": 0.0004,
            "required_items": None,
            "passed": True,
            **changes,
        }
    )


def test_the_gate_s_metrics_keep_their_names_when_another_number_of_exemplars_is_best():
    tests = [
        found(),
        found(rule=1, of="ko", ask="non_inferiority"),
        found(rule=2, against="champion", low=None, high=None, passed=None),
    ]
    reasons = [Reason(test.passed, "", "") for test in tests]
    metrics = build_gate_metrics(decision.Decision(verdict="inconclusive", reasons=reasons, results=tests))
    assert metrics["verdict"] == "inconclusive"
    assert metrics["rules"] == {"met": 2, "not_met": 0, "undecided": 1}
    assert list(metrics["differences"]) == [
        "rule1_accuracy_few_shot",
        "rule2_accuracy_few_shot_ko",
        "rule3_accuracy_champion",
    ]
    assert metrics["differences"]["rule1_accuracy_few_shot"] == 0.4


@pytest.mark.parametrize(
    ("stage", "part", "file"),
    [
        ("evaluate", "outs", "evaluate/shots.csv"),
        ("report", "outs", "report/evaluation"),
        ("gate", "metrics", "gate/metrics.json"),
    ],
)
def test_dvc_keeps_what_it_shows(stage, part, file):
    assert f"artifacts/{file}" in yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"][stage][part]
