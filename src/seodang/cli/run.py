"""Run stages and commands for the command line: what they cost, where they fail."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from seodang.cli.report import print_summary
from seodang.config.load import load_params
from seodang.errors import SeodangError
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.registry.champion import read_champion
from seodang.stages import STAGES, run_stage

NOT_PROMOTED = 3


def run_single_stage(name: str, paths: Paths) -> None:
    """Run one stage and note what it cost.

    Raises:
        SeodangError: If there is no such stage, or the stage fails.
    """
    if name not in STAGES:
        raise SeodangError(f"there is no stage {name!r}; the stages are {', '.join(STAGES)}")
    started = time.monotonic()
    run_stage(name, load_params(paths.params), paths)
    if os.environ.get("RANK", "0") != "0":  # one of several processes that a launcher started: the first one notes
        return
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row = {
        "stage": name,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in usage), 1),
        "peak_memory_mb": max(use.ru_maxrss for use in usage) // 1024,
    }
    paths.timings.parent.mkdir(parents=True, exist_ok=True)
    with paths.timings.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def run_pipeline(paths: Paths) -> int:
    """Run what has changed through DVC and print what it has come to.

    Returns:
        0 when the model was promoted, 3 when not, DVC's own code when a stage failed.
    """
    load_params(paths.params)  # all faults at once, before anything runs
    started = time.monotonic()
    code = _run_dvc(["repro"], paths.root)
    verdict = read_json(paths.verdict)["verdict"] if paths.verdict.exists() else None
    if code != 0 and (verdict is None or verdict == "promote"):
        return code
    print_summary(paths)
    print(f"\nmake run: {time.monotonic() - started:.0f} s")
    return 0 if verdict == "promote" else NOT_PROMOTED


def _run_dvc(arguments: list[str], root: Path) -> int:
    """Run DVC with this interpreter's scripts first on the path, so that stages find `seodang`."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run(
        [f"{scripts}/dvc", "--wait-for-lock", *arguments], cwd=root, env=environment, check=False
    ).returncode


def serve(paths: Paths, port: int, *, packaged: bool) -> int:
    """Serve the champion's bento until interrupted; while there is none, or if told to, the one that was packaged last."""
    tag = _resolve_bento_tag(paths, packaged)
    command = [f"{Path(sys.executable).parent}/bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    print(f"serving {tag} on http://127.0.0.1:{port} (Ctrl-C to stop / 끝내려면 Ctrl-C)", flush=True)
    os.execv(command[0], command)


def _resolve_bento_tag(paths: Paths, packaged: bool) -> str:
    champion = None if packaged or not paths.champion.exists() else read_champion(paths.champion)
    if champion is None:
        return str(read_json(paths.package_report)["bento_tag"])
    from seodang.registry.restore import make_servable

    print(
        f"champion: {champion.version} ({champion.created_at[:10]}; seodang serve --packaged: 마지막에 패키징한 모델 / what was packaged last)",
        flush=True,
    )
    return make_servable(champion, paths)
