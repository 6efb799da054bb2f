"""A journal outlives the process that writes it: killed in the middle, nothing is asked twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seodang.evaluation.result_log import ResultLog, parse_complete_rows

ASKER = """
import os, signal, sys
from pathlib import Path
from seodang.evaluation.result_log import Journal
path, asked, killed_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with Journal(path, "items of today") as journal:
    known = {row["item"] for row in journal.rows}
    for item in range(10):
        if item in known:
            continue
        with asked.open("a") as file:
            file.write(f"{item}\\n")
        if item == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        journal.append([{"item": item, "answer": "한글", "score": item / 3}])
"""


def ask(path: Path, asked: Path, killed_at: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", ASKER, str(path), str(asked), str(killed_at)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).returncode


def rows(path: Path, fingerprint: str = "a") -> list[dict]:
    with ResultLog(path, fingerprint) as journal:
        return journal.rows


def test_a_killed_process_goes_on_where_it_was_and_leaves_the_same_file(tmp_path):
    whole, asked_once = tmp_path / "whole.jsonl", tmp_path / "once"
    assert ask(whole, asked_once, -1) == 0
    resumed, asked = tmp_path / "resumed.jsonl", tmp_path / "asked"
    assert ask(resumed, asked, 4) == -signal.SIGKILL
    assert ask(resumed, asked, 7) == -signal.SIGKILL
    assert ask(resumed, asked, -1) == 0
    assert resumed.read_bytes() == whole.read_bytes()
    # The items that were being answered at a kill had no result yet; no other was asked twice.
    assert asked.read_text().split() == "0 1 2 3 4 4 5 6 7 7 8 9".split()
    assert [row["item"] for row in rows(resumed, "items of today")] == list(range(10))


@pytest.mark.parametrize(
    "torn", [b'{"item": 2, "ans', b'{"item": 2}', "{'item': '한".encode()[:-1], b"\0" * 40 + b"\n"]
)
def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole(tmp_path, torn):
    path = tmp_path / "journal.jsonl"
    with ResultLog(path, "a") as journal:
        journal.append([{"item": 1}])
    path.write_bytes(path.read_bytes() + torn)
    with ResultLog(path, "a") as journal:
        assert journal.rows == [{"item": 1}]
        journal.append([{"item": 2}, {"item": 3}])
    assert rows(path) == [{"item": 1}, {"item": 2}, {"item": 3}]


def test_another_fingerprint_starts_anew(tmp_path):
    path = tmp_path / "journal.jsonl"
    with ResultLog(path, "a") as journal:
        journal.append([{"item": 1}])
    assert rows(path, "b") == []
    assert rows(path, "a") == []


def test_a_journal_whose_head_was_cut_off_starts_anew(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"schema": 1, "finger')
    assert rows(path) == []


def test_numbers_come_back_as_they_were(tmp_path):
    path = tmp_path / "deeper" / "journal.jsonl"
    with ResultLog(path, "a") as journal:
        journal.append([{"score": -0.1234567890123456789, "worst": float("-inf"), "text": "줄\r\n바꿈\u2028"}])
    assert rows(path) == [{"score": -0.1234567890123456789, "worst": float("-inf"), "text": "줄\r\n바꿈\u2028"}]


def test_what_follows_a_damaged_line_is_not_kept():
    assert parse_complete_rows(b'head\n{"a": 1}\n{{}\n{"a": 2}\n', b"head\n") == ([{"a": 1}], len(b'head\n{"a": 1}\n'))
