"""`seodang run | stage`: run stages through DVC, and note what they cost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seodang.cli.signals import wait_and_pass_on
from seodang.cli.terminal import print_lines
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.process_lock import hold_process_lock
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.config import Params

NOT_PROMOTED = 3


def run() -> int:
    """Run what has changed through DVC and print the result.

    Returns:
        0 when the model is promoted, 3 when it is not, the code of the stage that failed.
    """
    from seodang.cli.report import print_summary
    from seodang.config.load import load_params
    from seodang.io.jsonl import read_json
    from seodang.stages.workspace import check_workspace

    paths = Paths(Path.cwd())
    load_params(paths.params)  # all errors at once, before anything runs
    check_workspace(paths)
    started = time.monotonic()
    if code := _run_dvc(paths.root):
        return code
    verdict = read_json(paths.verdict)["verdict"]
    print_summary(paths)
    print_lines(["", _("total: {seconds:.0f} s", seconds=time.monotonic() - started)])
    return 0 if verdict == "promote" else NOT_PROMOTED


def stage(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_("Name of the stage, as in dvc.yaml."))],
) -> int:
    """Run one stage.

    Raises:
        SeodangError: If there is no such stage, or the stage fails.
    """
    run_stage_with_timing(name, Paths(Path.cwd()))
    return 0


def run_stage_with_timing(name: str, paths: Paths) -> None:
    """Run one stage and append what it cost to the timings.

    Raises:
        SeodangError: If there is no such stage, or the stage fails.
    """
    from seodang.config.load import load_params
    from seodang.stages import STAGES, run_stage
    from seodang.stages.workspace import check_writable

    if name not in STAGES:
        raise SeodangError(
            _("there is no stage {name!r}; the stages are {stages}", name=name, stages=", ".join(STAGES))
        )
    check_writable(name, paths)
    params = load_params(paths.params)
    if os.environ.get("RANK", "0") != "0":  # of several processes that a launcher started, the main one writes
        run_stage(name, params, paths)
        return
    with hold_process_lock(
        paths.locks / name, partial(_report_waiting, name)
    ):  # of a killed run, a stage may still run
        started = time.monotonic()
        _run_or_restore(name, params, paths)
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


def _run_or_restore(name: str, params: Params, paths: Paths) -> None:
    """Run a stage, or restore its result if a killed run has finished it."""
    from seodang.dvc_state.settings import get_cache_folder
    from seodang.dvc_state.verification import verify_inputs
    from seodang.stages import read_parameters, run_stage
    from seodang.stages.kept_results import (
        compute_key,
        discard_stored_results,
        keep_result,
        keeps_result,
        restore_result,
    )

    discard_stored_results(paths)
    if "DVC_STAGE" in os.environ:
        verify_inputs(name, paths, get_cache_folder(paths.root))
    if not keeps_result(name):
        run_stage(name, params, paths)
        return
    key = compute_key(name, read_parameters(name, params), paths)
    if not restore_result(name, key, paths):
        run_stage(name, params, paths)
        keep_result(name, key, paths)


def _report_waiting(stage: str, holder: str) -> None:
    text = _("another process runs stage {stage} here: {holder}; this one waits for it", stage=stage, holder=holder)
    print(f"seodang: {text}", file=sys.stderr, flush=True)


def _run_dvc(root: Path) -> int:
    """Run all stages with the scripts of this interpreter first on the path, so that stages find `seodang`."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-P", "-m", "seodang.cli.dvc_process"]  # -P: no module of the project in its way
    with subprocess.Popen(command, cwd=root, env=environment) as process:
        return wait_and_pass_on(process)
