"""Rows are examined in other processes, which end with the one that started them."""

from __future__ import annotations

import os
import subprocess
import sys

_KILLED = """
import multiprocessing, os, signal
from data_rows import row, shipped_expectations
from seodang.validation.workers import Examiner, examined

if __name__ == "__main__":
    looks = examined(iter([[row()]] * 4), Examiner(shipped_expectations(), frozenset()), lambda first, count: [{}] * count)
    next(looks), next(looks)
    print(len(multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_other_processes_end_when_the_first_one_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(_KILLED, "utf-8")
    folders = os.pathsep.join(path for path in sys.path if path)
    # They have the same output: it ends with the last of them.
    ran = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert int(ran.stdout) >= 1
