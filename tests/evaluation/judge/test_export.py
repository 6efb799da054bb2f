"""The answers of an evaluation as files for the judge. Run: pytest tests/evaluation/judge/test_export.py"""

from __future__ import annotations

import json

import pytest

from seodang.cli.main import main
from seodang.io.jsonl import write_records, write_rows
from seodang.paths import Paths
from seodang.records import make_record


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose evaluation has two open questions and one with labels."""
    paths = Paths(tmp_path)
    records = [
        make_record(instruction=text, input=input, output=output, source="s", task=task, cluster="c")
        for text, input, output, task in (
            ("어디에 있나요?", "라켓은 책장에 있습니다.", "책장에 있습니다.", "asked"),
            ("How are you?", "", "Fine.", "asked"),
            ("Positive or negative?", "Good", "positive", "labelled"),
        )
    ]
    paths.items.parent.mkdir(parents=True)
    write_records(paths.items, records)
    write_rows(
        paths.scores,
        (
            {
                **{"variant": variant, "task": record.task, "item": record.id, "language": record.language},
                **{"kind": "open" if record.task == "asked" else "choice", "reference": record.output},
                **{"answer": f"{variant} {record.output}" * (2 if variant == "aligned" else 1), "group": record.id},
            }
            for variant in ("tuned", "aligned")
            for record in records
        ),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_judge_compares_the_aligned_model_with_the_tuned_one(project, judge_server, capsys):
    for variant in ("tuned", "aligned"):
        assert main(["judge", "export", variant, "--out", f"{variant}.jsonl"]) == 0
    assert capsys.readouterr().out.count("2 answers") == 2
    first = json.loads((project / "aligned.jsonl").read_text("utf-8").splitlines()[0])
    assert first["prompt"] == "어디에 있나요?\n\n라켓은 책장에 있습니다."
    assert first["answer"].startswith("aligned 책장에")
    files = ["--candidate", "aligned.jsonl", "--champion", "tuned.jsonl", "--out", "judged"]
    assert main(["judge", *files, "--endpoint", judge_server.url, "--model", "judge-1"]) == 0
    printed = capsys.readouterr().out
    assert "items 2: won 2, tied 0, lost 0" in printed  # this judge prefers the longer answer
    assert "at equal lengths" in printed


def test_an_unknown_variant_is_refused_with_the_known_ones(project, capsys):
    assert main(["judge", "export", "best", "--out", "best.jsonl"]) == 2
    assert "aligned, tuned" in capsys.readouterr().err
    assert not (project / "best.jsonl").exists()


def test_without_an_evaluation_the_message_names_the_stage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["judge", "export", "tuned", "--out", "tuned.jsonl"]) == 2
    assert "dvc repro evaluate" in capsys.readouterr().err
