"""The result log outlives a killed process, and no complete item is evaluated twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seodang.evaluation.result_log import ResultLog, parse_complete_rows

WORKER = """
import os, signal, sys
from pathlib import Path
from seodang.evaluation.result_log import ResultLog
path, requests, killed_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with ResultLog(path, "items of today") as result_log:
    known = {row["item"] for row in result_log.rows}
    for item in range(10):
        if item in known:
            continue
        with requests.open("a") as file:
            file.write(f"{item}\\n")
        if item == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        result_log.append([{"item": item, "answer": "한글", "score": item / 3}])
"""


def run_worker(path: Path, requests: Path, killed_at: int) -> int:
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(path), str(requests), str(killed_at)],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).returncode


def read_log(path: Path, fingerprint: str = "a") -> list[dict]:
    with ResultLog(path, fingerprint) as result_log:
        return result_log.rows


def test_a_killed_process_resumes_and_leaves_the_same_file(tmp_path):
    complete, requests_once = tmp_path / "complete.jsonl", tmp_path / "once"
    assert run_worker(complete, requests_once, -1) == 0
    resumed, requests = tmp_path / "resumed.jsonl", tmp_path / "requests"
    assert run_worker(resumed, requests, 4) == -signal.SIGKILL
    assert run_worker(resumed, requests, 7) == -signal.SIGKILL
    assert run_worker(resumed, requests, -1) == 0
    assert resumed.read_bytes() == complete.read_bytes()
    # The items in progress at a kill had no result yet; no other item was evaluated twice.
    assert requests.read_text().split() == "0 1 2 3 4 4 5 6 7 7 8 9".split()
    assert [row["item"] for row in read_log(resumed, "items of today")] == list(range(10))


@pytest.mark.parametrize(
    "rest", [b'{"item": 2, "ans', b'{"item": 2}', "{'item': '한".encode()[:-1], b"\0" * 40 + b"\n"]
)
def test_an_incomplete_line_is_dropped_and_the_next_one_is_complete(tmp_path, rest):
    path = tmp_path / "log.jsonl"
    with ResultLog(path, "a") as result_log:
        result_log.append([{"item": 1}])
    path.write_bytes(path.read_bytes() + rest)
    with ResultLog(path, "a") as result_log:
        assert result_log.rows == [{"item": 1}]
        result_log.append([{"item": 2}, {"item": 3}])
    assert read_log(path) == [{"item": 1}, {"item": 2}, {"item": 3}]


def test_another_fingerprint_starts_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    with ResultLog(path, "a") as result_log:
        result_log.append([{"item": 1}])
    assert read_log(path, "b") == []
    assert read_log(path, "a") == []


def test_a_log_with_an_incomplete_header_starts_anew(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"schema": 1, "finger')
    assert read_log(path) == []


def test_numbers_come_back_as_they_were(tmp_path):
    path = tmp_path / "deeper" / "log.jsonl"
    with ResultLog(path, "a") as result_log:
        result_log.append([{"score": -0.1234567890123456789, "worst": float("-inf"), "text": "줄\r\n바꿈\u2028"}])
    assert read_log(path) == [{"score": -0.1234567890123456789, "worst": float("-inf"), "text": "줄\r\n바꿈\u2028"}]


def test_rows_after_a_damaged_line_are_dropped():
    assert parse_complete_rows(b'head\n{"a": 1}\n{{}\n{"a": 2}\n', b"head\n") == ([{"a": 1}], len(b'head\n{"a": 1}\n'))
