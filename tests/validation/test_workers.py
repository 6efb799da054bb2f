"""Worker processes check rows, and end with the process that started them."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys

from seodang.validation import workers

_KILLED = """
import multiprocessing, os, pickle, signal, sys
from pathlib import Path
from seodang.validation.workers import Examiner, examine_chunks

if __name__ == "__main__":
    row, expectations = pickle.loads(Path(sys.argv[1]).read_bytes())
    results = examine_chunks(iter([[row]] * 4), Examiner(expectations, frozenset()), lambda first, count: [{}] * count)
    next(results), next(results)
    print(len(multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_worker_processes_end_when_their_parent_is_killed(tmp_path, make_row, build_expectations):
    script = tmp_path / "killed.py"
    script.write_text(_KILLED, "utf-8")
    arguments = tmp_path / "arguments"
    arguments.write_bytes(pickle.dumps((make_row(), build_expectations())))
    folders = os.pathsep.join(path for path in sys.path if path)
    # The processes share stdout: it closes when the last of them ends.
    process = subprocess.run(
        [sys.executable, script, arguments],
        env={**os.environ, "PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert int(process.stdout) >= 1


def test_without_semaphores_the_rows_are_checked_in_this_process(monkeypatch, make_row, build_expectations):
    """As in a container without /dev/shm, or with a full or read-only one."""

    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(workers, "ProcessPoolExecutor", refuse)
    chunks = [[make_row()], [make_row(), make_row()], [make_row()]]
    starts = []

    def locate(first, count):
        starts.append((first, count))
        return [{}] * count

    results = list(workers.examine_chunks(iter(chunks), workers.Examiner(build_expectations(), frozenset()), locate))
    assert [len(found) for _rows, found in results] == [1, 2, 1]
    assert starts == [(0, 1), (1, 2), (3, 1)]
