"""Others wait for a process lock and say for whom; a killed holder leaves none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from seodang.io.process_lock import hold_process_lock

_HOLDER = (
    "import sys; from pathlib import Path; from seodang.io.process_lock import hold_process_lock\n"
    "with hold_process_lock(Path(sys.argv[1]), lambda holder: print('waits for', holder, flush=True)):\n"
    "    print('holds', flush=True); sys.stdin.readline()"
)


def start_holder(file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(file)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_process_names_the_first_and_waits_for_it(tmp_path):
    file = tmp_path / "locks" / "run"
    first = start_holder(file)
    assert read_line(first) == "holds"
    second = start_holder(file)
    assert read_line(second).startswith(f"waits for {first.pid} (seodang ")
    first.communicate("\n")
    assert read_line(second) == "holds"
    second.communicate("\n")


def test_a_killed_holder_leaves_no_lock(tmp_path):
    holder = start_holder(tmp_path / "run")
    assert read_line(holder) == "holds"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with hold_process_lock(tmp_path / "run", lambda holder: pytest_fail(holder)):
        assert (tmp_path / "run").read_text().startswith(str(os.getpid()))


def pytest_fail(holder: str) -> None:
    raise AssertionError(holder)
