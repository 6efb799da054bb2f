"""Tables for `dvc plots` and `dvc metrics`, from an evaluation and its verdict."""

from pathlib import Path

import pytest
import yaml

from seodang.evaluation.outputs import build_shots_rows
from seodang.gate import decision
from seodang.gate.messages import Reason
from seodang.stages.gate import build_gate_metrics

ROOT = Path(__file__).resolve().parents[2]


def build_report(**scores):
    """Return a report with the given scores of each variant."""
    variants = {
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
                "chrf": scores.get("chrf", {}).get(name),
            }
            for name in variants
        ],
        "best": {"zero_shot": "zero_shot/chat", "few_shot": "few_shot/alpaca/3"},
        "formats": {name: {"format": format, "shots": shots} for name, (format, shots) in variants.items()},
    }


ACCURACY = {
    "zero_shot/alpaca": 0.2,
    "zero_shot/chat": 0.3,
    "few_shot/alpaca/3": 0.5,
    "few_shot/chat/3": 0.4,
    "tuned": 0.9,
    "champion": 0.8,
}


def test_the_plot_shows_the_best_format_of_each_number_of_few_shot_examples():
    assert build_shots_rows(build_report(accuracy=ACCURACY)) == [[0, 0.3, 0.9], [3, 0.5, 0.9]]


def test_without_choice_tasks_the_plot_shows_chrf():
    assert build_shots_rows(build_report(chrf=ACCURACY)) == [[0, 0.3, 0.9], [3, 0.5, 0.9]]
    assert build_shots_rows(build_report()) == []


def build_result(**changes):
    defaults = {
        "rule": 0,
        "against": "few_shot/3",
        "test": "superiority",
        "metric": "accuracy",
        "tasks": (),
        "group": "",
        "margin": 0.0,
        "items": 200,
        "candidate": 0.9,
        "reference": 0.5,
        "difference": 0.4,
    }
    return decision.RuleResult(
        **{
            **defaults,
            "low": 0.31,
            "high": 0.49,
            "p": 0.0002,
            "p_exact": None,
            "independent_groups": 0,
            "confidence": 0.95,
            "obstacle": None,
            "judgement": 1,
            "p_inherited": None,
            "p_holm": 0.0004,
            "required_items": None,
            "passed": True,
            **changes,
        }
    )


def test_the_names_of_gate_metrics_do_not_depend_on_the_best_number_of_few_shot_examples():
    tests = [
        build_result(),
        build_result(rule=1, group="ko", test="non_inferiority"),
        build_result(rule=2, against="champion", low=None, high=None, passed=None),
    ]
    reasons = [Reason(test.passed, "", "") for test in tests]
    metrics = build_gate_metrics(
        decision.Decision(verdict="inconclusive", reasons=reasons, results=tests, met=[], tests={})
    )
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
