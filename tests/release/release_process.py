"""`seodang release` or `rollback` in a process of its own, killed at a step.

Run: python release_process.py PROJECT STEP:EVENT PORT [canary] ("never": to the end; STEP:pause: until a file exists).

Restoring a bento is left out: tests/registry/test_rollback.py tests it.
"""

import os
import signal
import sys
import time
from pathlib import Path

from seodang.config.load import load_params
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.release import release as release_module
from seodang.release.operation import Project
from seodang.release.release import ReleaseRequest, release


def keep_bento(champion, _paths):
    return champion.bento_tag


if __name__ == "__main__":
    promotion.make_servable = release_module.make_servable = keep_bento  # type: ignore[attr-defined]
    paths, kill_at = Paths(Path(sys.argv[1])), sys.argv[2]

    def report(step: str, event: str) -> None:
        print(step, event, flush=True)
        if kill_at == f"{step}:{event}":
            os.kill(os.getpid(), signal.SIGKILL)
        while kill_at == f"{step}:pause" and event == "begins" and not (paths.release / "continue").exists():
            time.sleep(0.05)

    def report_waiting(holder: str) -> None:
        print("waits for", holder, flush=True)

    project = Project(
        paths=paths, params=load_params(paths.params).release, key="", report=report, report_waiting=report_waiting
    )
    request = ReleaseRequest(
        port=int(sys.argv[3]),
        canary="canary" in sys.argv,
        old=None,
        new=None,
        message=None,
        version=None,
        model=None,
    )
    print(release(project, request, lambda _old, _new, _id: "kept").model_dump_json())
