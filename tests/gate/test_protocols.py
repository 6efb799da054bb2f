"""Scores of two protocols are not compared. Run: pytest tests/gate/test_protocols.py"""

import json

import pytest

from seodang.cli.main import main
from seodang.errors import EvaluationError
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import select_scores
from seodang.metric_registry import ITEM_METRICS


def build_rows(variant, fingerprint):
    return [
        {
            **dict.fromkeys(ITEM_METRICS),
            "variant": variant,
            "task": "kmmlu",
            "item": f"Accounting-test/{number}",
            "language": "ko",
            "split": "task",
            "group": "",
            "accuracy": 1.0,
            "extra_metrics": {},
            "fingerprint": fingerprint,
        }
        for number in range(3)
    ]


def test_scores_of_one_protocol_are_paired():
    rows = [*build_rows("tuned", "aa"), *build_rows("champion", "aa")]
    assert len(pair_scores(select_scores(rows, "tuned"), select_scores(rows, "champion"), "champion")["accuracy"]) == 3


def test_scores_of_two_protocols_are_refused():
    rows = [*build_rows("tuned", "aa"), *build_rows("champion", "bb")]
    with pytest.raises(EvaluationError, match="differ in the field fingerprint of 3 scores"):
        pair_scores(select_scores(rows, "tuned"), select_scores(rows, "champion"), "champion")


def test_the_command_refuses_score_files_of_two_protocols(tmp_path, capsys):
    for name, fingerprint in (("candidate", "aa"), ("champion", "bb")):
        rows = [
            {"task": row["task"], "item": row["item"], "metric": "accuracy", "language": "ko", "score": 1, **changes}
            for row in build_rows(name, fingerprint)
            for changes in [{"fingerprint": row["fingerprint"]}]
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    files = [part for name in ("candidate", "champion") for part in (f"--{name}", str(tmp_path / f"{name}.jsonl"))]
    assert main(["gate", *files]) == 2
    assert "differ in the field fingerprint of 3 scores" in capsys.readouterr().err


def test_scores_from_before_protocols_were_recorded_are_paired():
    rows = [*build_rows("tuned", ""), *build_rows("champion", "")]
    for row in rows:
        del row["fingerprint"]
    assert pair_scores(select_scores(rows, "tuned"), select_scores(rows, "champion"), "champion")
