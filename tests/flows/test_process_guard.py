import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flows.process_guard import guard_process

ROOT = Path(__file__).resolve().parents[2]
# Writes its process id to a file and sleeps in a child of a shell, as a stage does below DVC.
SLEEPER = ["sh", "-c", "sleep 300 & echo $! > pid.txt; wait"]
OWNER = f"""
import os, pathlib, subprocess, time
from flows.process_guard import guard_process
with guard_process({SLEEPER!r}, cwd=pathlib.Path("."), env=os.environ, output=subprocess.PIPE):
    time.sleep(300)
"""


def test_output_and_exit_code_are_the_commands(tmp_path):
    with guard_process(
        ["sh", "-c", "echo 가; echo 나 >&2; exit 3"], cwd=tmp_path, env=os.environ, output=subprocess.PIPE
    ) as process:
        assert process.stdout.read().split() == ["가", "나"]
        assert process.wait() == 3


def test_a_command_killed_by_a_signal_has_a_shells_exit_code(tmp_path):
    with guard_process(["sh", "-c", "kill -9 $$"], cwd=tmp_path, env=os.environ, output=subprocess.PIPE) as process:
        assert process.wait() == 128 + signal.SIGKILL


def test_a_missing_command_is_named(tmp_path):
    with guard_process(["no-such-command"], cwd=tmp_path, env=os.environ, output=subprocess.PIPE) as process:
        assert "no-such-command: No such file" in process.stdout.read()
        assert process.wait() == 127


def test_leaving_the_block_ends_the_group(tmp_path):
    def leave_early() -> None:
        with guard_process(SLEEPER, cwd=tmp_path, env=os.environ, output=subprocess.PIPE):
            _pid(tmp_path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_early()
    _wait_until_gone(_pid(tmp_path))


def test_a_killed_owner_ends_the_group(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    pid = _pid(tmp_path)
    owner.kill()
    owner.wait()
    _wait_until_gone(pid)


def _pid(folder: Path) -> int:
    """Return the process id of the sleeper as soon as it is written."""
    deadline = time.monotonic() + 60
    while True:
        path = folder / "pid.txt"
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while _is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.returncode == 0 and not found.stdout.startswith("Z")
