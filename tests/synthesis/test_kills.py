"""Runs that are killed at any point, stopped by signals, or that the user starts twice."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.synthesis.scripted_recipe import __file__ as RECIPE_FILE
from tests.synthesis.teacher_server import Answer

CALLS, ROUNDS = 10, 4
RECORDS = "records.jsonl"


@pytest.fixture
def start(tmp_path, make_params, teacher):
    """Starts a run in a process of its own, which a test may kill."""
    settings = tmp_path / "settings.json"
    processes = []

    def start(folder="out", timeout=5.0):
        params = make_params(limits={"timeout_seconds": timeout}).model_dump(mode="json")
        settings.write_text(json.dumps({"calls": CALLS, "rounds": ROUNDS, "params": params}), "utf-8")
        process = subprocess.Popen(
            [sys.executable, RECIPE_FILE, str(settings), str(tmp_path / folder)],
            cwd=Path(RECIPE_FILE).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


class Fork:
    """A run in a fork of `scripted_recipe.serve`, which a test may kill."""

    def __init__(self, server, settings, folder):
        self.output = folder.with_suffix(".log")
        self._server = server
        server.stdin.write(json.dumps([str(settings), str(folder), str(self.output)]) + "\n")
        server.stdin.flush()
        self.pid = int(server.stdout.readline())
        self.returncode = None

    def poll(self):
        """Return the exit code; None while it runs."""
        return self.wait() if select.select([self._server.stdout], [], [], 0)[0] else self.returncode

    def kill(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self):
        if self.returncode is None:
            self.returncode = int(self._server.stdout.readline())
        return self.returncode


@pytest.fixture
def fork(tmp_path, make_params):
    """Starts a run in a fork: twenty processes of their own would load Python's modules twenty times."""
    settings = tmp_path / "settings.json"
    params = make_params(limits={"timeout_seconds": 5.0}).model_dump(mode="json")
    settings.write_text(json.dumps({"calls": CALLS, "rounds": ROUNDS, "params": params}), "utf-8")
    command = [sys.executable, RECIPE_FILE]
    folder = Path(RECIPE_FILE).parents[2]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield lambda: Fork(server, settings, tmp_path / "out")
        server.stdin.close()


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def run_with_kills(fork, teacher, kills, numbers):
    """Run with SIGKILLs at random points, then to the end; return what the last run printed.

    A point is some calls after the start of a run, and a part of the time that a call takes.
    """
    for _kill in range(kills):
        process, point = fork(), len(teacher.bodies) + numbers.randint(0, 6)
        wait_for(lambda point=point, process=process: len(teacher.bodies) >= point or process.poll() is not None)
        time.sleep(numbers.uniform(0, teacher.delay))
        process.kill()
        process.wait()
        time.sleep(2 * teacher.delay)  # the teacher completes, and bills, what is in flight
    process = fork()
    code, output = process.wait(), process.output.read_text("utf-8")
    assert code == 0, output
    return output


def count_lost(folder):
    """Return the calls in the journal that no reply followed: those in flight at a kill."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()[1:]]
    return sum(line["event"] == "asked" for line in lines) - sum(line["event"] == "reply" for line in lines)


def check_kills(fork, teacher, tmp_path, kills, is_idempotent):
    teacher.is_idempotent = is_idempotent
    teacher.delay = 0.02
    total = CALLS * ROUNDS
    output = run_with_kills(fork, teacher, kills, random.Random(kills))
    lost = count_lost(tmp_path / "out")
    billed_again = teacher.billed.total() - total
    rows = (tmp_path / "out" / RECORDS).read_text("utf-8").splitlines()
    assert len(rows) == total
    assert len(teacher.billed) == total  # no other call was asked: each run replays the rounds before it
    assert f"calls asked {total} = kept {total} + rejected 0 + failed 0" in output
    if is_idempotent:
        assert billed_again == 0
    else:
        assert billed_again <= lost <= kills * 4  # limits.concurrency
        assert ("got no answer" in output) == bool(lost)
    return lost, billed_again


def test_a_run_that_is_killed_three_times_loses_no_reply_and_pays_again_only_for_calls_in_flight(
    fork, teacher, tmp_path
):
    check_kills(fork, teacher, tmp_path, 3, is_idempotent=False)


@pytest.mark.slow
@pytest.mark.parametrize("is_idempotent", [True, False])
def test_a_run_that_is_killed_at_twenty_random_points_loses_no_reply(fork, teacher, tmp_path, is_idempotent, capsys):
    lost, billed_again = check_kills(fork, teacher, tmp_path, 20, is_idempotent)
    with capsys.disabled():
        print(f"\n20 kills, idempotent {is_idempotent}: in flight at a kill {lost}, billed again {billed_again}")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_stops_the_run_after_the_replies_in_flight_and_says_what_to_do(start, teacher, tmp_path, number):
    teacher.delay = 0.3
    process = start()
    wait_for(lambda: len(teacher.bodies) >= 4)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "run the same command again" in output
    assert len(teacher.bodies) <= 8
    assert count_lost(tmp_path / "out") == 0  # what was in flight is journaled
    assert not (tmp_path / "out" / RECORDS).exists()
    teacher.delay = 0.0
    process = start()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert teacher.billed.total() == CALLS * ROUNDS


@pytest.mark.slow
def test_a_second_signal_ends_the_run_at_once(start, teacher):
    teacher.script = lambda body, attempt: Answer(delay=20.0)
    process = start(timeout=60.0)
    wait_for(lambda: len(teacher.bodies) >= 4)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert time.monotonic() - sent < 10.0
    assert process.returncode != 0


@pytest.mark.slow
def test_a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on(start, teacher):
    may_answer = threading.Event()
    teacher.script = lambda body, attempt: Answer() if may_answer.wait(60) else Answer(status=500)
    first = start(timeout=60.0)
    wait_for(lambda: len(teacher.bodies) >= 1)
    second = start(timeout=60.0)
    output, _ = second.communicate(timeout=180)
    assert second.returncode != 0
    assert f"is in use by process {first.pid}" in output
    may_answer.set()
    first.communicate(timeout=180)
    assert first.returncode == 0
    assert teacher.billed.total() == CALLS * ROUNDS
