"""The files of the ledger."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.constants import ROOT
from tests.fixtures.gate import build_gate

from seodang.errors import ArtifactError
from seodang.gate.judgement import Judgement, Spending, round_score
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Score, ScoreKey
from seodang.registry.ledger import recording
from seodang.registry.ledger.recording import decide_and_record, read_ledger, record_judgement

KEYS = [("감성", "1"), ("감성", "2"), ("topic", "1")]


def build(scores, *, candidate="a" * 64, at="2026-01-01T00:00:00+00:00", met=(), items=KEYS) -> Judgement:
    by_metric = {metric: dict(zip(items, values, strict=False)) for metric, values in scores.items()}
    return Judgement(
        candidate=candidate,
        items=frozenset(items),
        scores=by_metric,
        met=frozenset(met),
        tests={
            "superiority accuracy 0 champion": Spending(0.025, "0f"),
            "threshold eos_rate minimum 0.9": Spending(0.0, ""),
        },
        verdict="inconclusive",
        created_at=at,
    )


def test_before_the_first_judgement_the_ledger_is_empty(tmp_path):
    assert read_ledger(tmp_path / "ledger") == []


@given(
    st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=3),
    st.lists(st.floats(allow_nan=False, allow_infinity=False).map(round_score), min_size=1, max_size=3),
)
def test_what_is_recorded_is_read_again(tmp_path_factory, binary, numbers):
    folder = tmp_path_factory.mktemp("registry") / "ledger"
    judgement = build({"accuracy": binary, "loss": numbers}, met=["superiority accuracy champion"])
    path = record_judgement(folder, judgement, [])
    assert path is not None
    assert read_ledger(folder) == [judgement]


def test_a_stage_that_runs_again_records_nothing(tmp_path):
    judgement = build({"accuracy": [1.0, 0.0]})
    path = record_judgement(tmp_path, judgement, [])
    assert path is not None
    before = path.read_bytes()
    again = build({"accuracy": [1.0, 0.0]}, at="2026-02-02T00:00:00+00:00")
    assert record_judgement(tmp_path, again, read_ledger(tmp_path)) is None
    assert path.read_bytes() == before


def test_sets_of_items_have_a_file_each_and_are_read_in_the_order_of_time(tmp_path):
    second = build({"accuracy": [1.0]}, candidate="b" * 64, at="2026-01-02T00:00:00+00:00")
    first = build({"accuracy": [0.0]}, at="2026-01-01T00:00:00+00:00", items=[("other", "1")])
    for judgement in (second, first):
        record_judgement(tmp_path, judgement, read_ledger(tmp_path))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert read_ledger(tmp_path) == [first, second]


def test_binary_scores_are_one_short_line(tmp_path):
    path = record_judgement(tmp_path, build({"accuracy": [1.0, 0.0]}), [])
    assert path is not None
    assert json.loads(path.read_text("utf-8").splitlines()[1])["scores"] == {"accuracy": "-10"}


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda lines: [], 1),
        (lambda lines: ["{}", *lines[1:]], 1),
        (lambda lines: [lines[0], "<<<<<<< HEAD", *lines[1:]], 2),
        (lambda lines: [lines[0], lines[1].replace('"-10"', '"10"')], 2),
        (lambda lines: [lines[0], lines[1][:40]], 2),
    ],
    ids=["empty", "no items", "merge conflict", "a score is missing", "cut off"],
)
def test_a_damaged_file_is_named_with_its_line_and_the_way_back(tmp_path, change, number):
    path = record_judgement(tmp_path, build({"accuracy": [1.0, 0.0]}), [])
    assert path is not None
    path.write_text("\n".join(change(path.read_text("utf-8").splitlines())), "utf-8")
    with pytest.raises(ArtifactError, match="keep the lines of both sides") as found:
        read_ledger(tmp_path)
    assert f"line {number}" in str(found.value)


@pytest.mark.parametrize("name", ["lone \ud800", "two\u2028lines", "next\u0085line", "한\n줄", '"quoted"'])
def test_an_item_may_have_any_name(tmp_path, name):
    judgement = build({"accuracy": [1.0, 0.0]}, items=[("t", name), ("t", "2")])
    record_judgement(tmp_path, judgement, [])
    assert read_ledger(tmp_path) == [judgement]


def test_a_line_is_appended_after_a_missing_newline_and_merged_files_are_read(tmp_path):
    first, second = (build({"accuracy": [1.0, value]}, candidate=name * 64) for name, value in (("a", 0.0), ("b", 1.0)))
    path = record_judgement(tmp_path, first, [])
    assert path is not None
    path.write_text(path.read_text("utf-8").rstrip("\n"), "utf-8")
    record_judgement(tmp_path, second, read_ledger(tmp_path))
    assert read_ledger(tmp_path) == [first, second]
    header, *lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([header, lines[0], header, "", lines[1], ""]), "utf-8")  # as a union merge leaves it
    assert read_ledger(tmp_path) == [first, second]


def test_contents_and_multisets_are_recorded(tmp_path):
    judgement = replace(
        build({"accuracy": [1.0, 0.0]}, items=KEYS[:2]),
        contents={KEYS[0]: "0f"},
        tests={"superiority loss champion": Spending(0.025, "0f", ("a1", "b2"))},
    )
    record_judgement(tmp_path, judgement, [])
    assert read_ledger(tmp_path) == [judgement]


@pytest.fixture
def repository(tmp_path):
    """Return a function that runs git in a repository, and its ledger with a committed judgement."""

    def run(*words):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    run("init", "-q", "-b", "main")
    run("config", "user.name", "A")
    run("config", "user.email", "a@example.org")
    folder = tmp_path / "registry" / "ledger"
    record_judgement(folder, build({"accuracy": [1.0, 0.0]}), [])
    run("add", "-A")
    run("commit", "-qm", "judge")
    return run, folder


def delete(run, folder):
    shutil.rmtree(folder)


def delete_and_commit(run, folder):
    run("rm", "-rq", str(folder))
    run("commit", "-qm", "delete")


def revert(run, folder):
    run("revert", "--no-edit", "HEAD")


def switch_to_another_branch(run, folder):
    run("checkout", "-q", "--orphan", "other")
    run("rm", "-rqf", ".")
    run("commit", "--allow-empty", "-qm", "other")


def cut_off(run, folder):
    [path] = folder.glob("*.jsonl")
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\n", "utf-8")


@pytest.mark.parametrize("change", [delete, delete_and_commit, revert, switch_to_another_branch, cut_off])
def test_a_committed_judgement_counts_after_its_line_is_gone(repository, change, caplog):
    run, folder = repository
    change(run, folder)
    assert read_ledger(folder) == [build({"accuracy": [1.0, 0.0]})]
    assert "1 judgement of other commits is not in" in caplog.text


def test_an_edited_level_does_not_give_back_what_was_spent(repository):
    _run, folder = repository
    [path] = folder.glob("*.jsonl")
    path.write_text(path.read_text("utf-8").replace("0.025", "0.0"), "utf-8")
    first, _edited = read_ledger(folder)
    assert first.get_level("superiority accuracy 0 champion") == 0.025


def test_committed_judgements_are_read_once_and_said_nothing_about(repository, caplog):
    _run, folder = repository
    assert len(read_ledger(folder)) == 1
    assert caplog.text == ""


def decide_on(folder, right):
    """Record a candidate that answers some of 40 items like no other."""
    rows = {ScoreKey("t", str(item), "accuracy"): Score("ko", float(item < right)) for item in range(40)}
    champion = {key: Score("ko", float(number % 2)) for number, key in enumerate(rows)}
    pairs = pair_scores(rows, champion, "champion")
    return decide_and_record(folder, {"champion": [("champion", pairs)]}, build_gate({"against": "champion"}))


def test_a_clock_that_goes_back_gives_no_candidate_an_earlier_number(tmp_path, monkeypatch):
    for right in (20, 22):
        decide_on(tmp_path / "ledger", right)
    monkeypatch.setattr(recording, "datetime", SetBack)
    assert decide_on(tmp_path / "ledger", 25).decision.results[0].judgement == 3
    times = [judgement.created_at for judgement in read_ledger(tmp_path / "ledger")]
    assert times == sorted(set(times))
    assert decide_on(tmp_path / "ledger", 25).decision.results[0].judgement == 3


class SetBack(datetime):
    """A clock that shows a time long ago."""

    @classmethod
    def now(cls, tz=None):
        return cls(2001, 1, 1, tzinfo=tz)


@pytest.mark.parametrize("time", ["", "yesterday", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_refused(tmp_path, time):
    path = record_judgement(tmp_path, build({"accuracy": [1.0, 0.0]}), [])
    assert path is not None
    path.write_text(path.read_text("utf-8").replace("2026-01-01T00:00:00+00:00", time), "utf-8")
    with pytest.raises(ArtifactError, match="line 2"):
        read_ledger(tmp_path)


CANDIDATE = """
import sys
import numpy as np
from pathlib import Path
from seodang.gate.score_files import read_scores
from seodang.gate.pairing import pair_scores
from seodang.registry.ledger.recording import decide_and_record
from tests.fixtures.gate import build_gate
scores = [read_scores(Path(path)) for path in sys.argv[2:4]]
decide_and_record(Path(sys.argv[1]), {"champion": [("champion", pair_scores(*scores, "champion"))]}, build_gate({"against": "champion"}))
"""


@pytest.mark.slow
def test_processes_at_the_same_time_lose_no_judgement(tmp_path):
    def write(name, wrong):
        rows = [
            {"task": "t", "item": str(item), "metric": "accuracy", "language": "ko", "score": int(item != wrong)}
            for item in range(40)
        ]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return str(tmp_path / name)

    champion = write("champion.jsonl", -1)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CANDIDATE, str(tmp_path / "ledger"), write(f"{number}.jsonl", number), champion],
            cwd=ROOT,
        )
        for number in range(4)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert len(read_ledger(tmp_path / "ledger")) == 4


@pytest.mark.parametrize("level", ["-0.02", "-5", "NaN", "Infinity", "1"])
def test_a_level_that_is_no_probability_is_refused(tmp_path, level):
    """A level below zero would permit later judgements more wrong promotions than 1 - gate.confidence."""
    path = record_judgement(tmp_path, build({"accuracy": [1.0, 0.0]}), [])
    assert path is not None
    path.write_text(path.read_text("utf-8").replace("0.025", level), "utf-8")
    with pytest.raises(ArtifactError, match="line 2"):
        read_ledger(tmp_path)


def test_a_stored_score_that_is_not_finite_is_refused(tmp_path):
    path = record_judgement(tmp_path, build({"loss": [0.5, 0.25]}), [])
    assert path is not None
    path.write_text(path.read_text("utf-8").replace("0.25]", "Infinity]"), "utf-8")
    with pytest.raises(ArtifactError, match="line 2"):
        read_ledger(tmp_path)
