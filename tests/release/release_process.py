"""`seodang release` in processes of their own, each killed at another step.

Run: python release_process.py PROJECT STEP:EVENT[,STEP:EVENT ...] PORT [--canary]. "never" runs to the end; STEP:pause
waits until a file exists; watch:shared is while a canary has its share. Restoring a bento is left out:
tests/registry/test_rollback.py tests it.
"""

import os
import signal
import sys
import time
from pathlib import Path

import seodang.models.checkpoints  # noqa: F401  once, and not in each process
from seodang.config.load import load_params
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.release import release as release_module
from seodang.release.operation import Project
from seodang.release.release import WatchOutcome, release
from seodang.release.request import ReleaseRequest
from seodang.release.router import Router


def keep_bento(champion, _paths):
    return champion.bento_tag


def run(paths: Paths, port: int, kill_at: str) -> None:
    """Release the packaged model, and kill this process at a step."""

    def report(step: str, event: str) -> None:
        print(step, event, flush=True)
        if kill_at == f"{step}:{event}":
            os.kill(os.getpid(), signal.SIGKILL)
        while kill_at == f"{step}:pause" and event == "begins" and not (paths.release / "continue").exists():
            time.sleep(0.05)

    def report_waiting(holder: str) -> None:
        print("waits for", holder, flush=True)

    def watch(_old: int, _new: int, _id: str) -> WatchOutcome:
        Router(paths.router).set_share(0.25)
        report("watch", "shared")
        return "kept"

    project = Project(
        paths=paths, params=load_params(paths.params).release, key="", report=report, report_waiting=report_waiting
    )
    is_canary = "--canary" in sys.argv
    request = ReleaseRequest(port=port, canary=is_canary, old=None, new=None, message=None, version=None, model=None)
    release(project, request, watch)


def run_in_child(paths: Paths, port: int, kill_at: str) -> None:
    """Release in a copy of this process, and print how it ended."""
    child = os.fork()
    if child == 0:
        run(paths, port, kill_at)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print("process ended by", os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), "at", kill_at)
    sys.stdout.flush()


if __name__ == "__main__":
    promotion.make_servable = release_module.make_servable = keep_bento  # type: ignore[attr-defined]
    project_paths, steps = Paths(Path(sys.argv[1])), sys.argv[2].split(",")
    if len(steps) == 1:
        run(project_paths, int(sys.argv[3]), steps[0])
    else:
        for step in steps:
            run_in_child(project_paths, int(sys.argv[3]), step)
