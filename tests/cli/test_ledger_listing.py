"""`seodang registry ledger`: the sets of test items and what is left of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.constants import ROOT

from seodang.cli.ledger_listing import list_ledger_rows
from seodang.cli.main import main
from seodang.config.load import load_params
from seodang.gate.judgement import Judgement


def build(number: int, tasks: tuple[str, ...] = ("sentiment",)) -> Judgement:
    return Judgement(
        candidate=str(number),
        items=frozenset((task, str(item)) for task in tasks for item in range(50)),
        scores={},
        met=frozenset(),
        verdict="reject",
        created_at=f"2026-01-{number + 1:02}T10:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("count", "confidence", "state"),
    [
        (1, "99.29%", "good"),
        (9, "99.86%", "worn out: replace 45 items"),
        (50, "-", "used up: replace 45 items"),
    ],
)
def test_a_set_shows_how_worn_it_is(monkeypatch, count, confidence, state):
    monkeypatch.setenv("SEODANG_LANG", "en")
    gate = load_params(ROOT / "params.yaml").gate
    [row] = list_ledger_rows([replace(build(number % 28), candidate=str(number)) for number in range(count)], gate)
    assert row[0:3] == ("sentiment", "50", str(count))
    assert row[4:] == (confidence, state)


def test_the_newest_set_is_on_top_and_long_lists_of_tasks_are_cut(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "en")
    gate = load_params(ROOT / "params.yaml").gate
    rows = list_ledger_rows([build(0), build(1, ("a", "b", "c", "d")), build(2)], gate)
    assert [row[1] for row in rows] == ["50", "200"]
    assert rows[1][0].endswith(" ...")


def test_without_a_judgement_the_command_says_what_is_next(tmp_path, monkeypatch, capsys):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["registry", "ledger"]) == 0
    assert "seodang run" in capsys.readouterr().out


def test_judgements_on_a_set_that_overlaps_count(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "en")
    gate = load_params(ROOT / "params.yaml").gate
    rows = list_ledger_rows([build(0), build(1), build(2, ("sentiment", "topic"))], gate)
    assert [row[2] for row in rows] == ["3", "3"]
