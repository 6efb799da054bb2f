"""What the flow costs over plain `dvc repro`: seconds and CPU seconds, in pairs of runs whose order alternates.

    python benchmarks/orchestration.py --pairs 5
    python benchmarks/orchestration.py --pairs 1 --state new --project FOLDER

The states of the project: in `unchanged`, no stage has to run; in `cached`, there is no dvc.lock, and DVC takes the
result of each stage from its cache; in `new`, all stages run. Without --project, the project is a miniature with the
real stages and a tiny model. A copy is used; the project itself stays as it is. The Prefect server runs beside, and its
CPU time does not count.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from miniature import BIN, build_environment, make_miniature, serve_prefect

_FLOW: Final = "from flows.instruction_tuning import instruction_tuning; instruction_tuning(project='.')"
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "dvc repro": (str(BIN / "dvc"), "repro"),
    "flow": (sys.executable, "-c", _FLOW),
}
_NOT_COPIED: Final = shutil.ignore_patterns(".venv", ".*_cache", "__pycache__")
_STATES: Final = ("unchanged", "cached", "new")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a command with all processes that it starts."""

    seconds: float
    cpu_seconds: float


def main() -> int:
    """Measure the states and print a table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="of runs, for each state")
    parser.add_argument("--state", choices=_STATES, nargs="+", default=["unchanged", "cached"])
    parser.add_argument("--project", type=Path, help="repository with a committed project, and what it has run")
    options = parser.parse_args()
    print("| state | pairs | dvc repro s | flow s | more s | dvc repro CPU s | flow CPU s | more CPU s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="orchestration-") as folder:
        project = Path(folder, "project")
        if options.project:
            shutil.copytree(options.project, project, symlinks=True, ignore=_NOT_COPIED)
        else:
            make_miniature(project)
        with serve_prefect(Path(folder, "prefect")) as prefect:
            environment = build_environment(project) | prefect
            if options.state != ["new"]:
                _run(_COMMANDS["dvc repro"], project, environment)
            for state in options.state:
                pairs = [_measure_pair(project, state, environment, number) for number in range(options.pairs)]
                print(_render(state, pairs), flush=True)
    return 0


def _measure_pair(project: Path, state: str, environment: Mapping[str, str], number: int) -> dict[str, Cost]:
    names = list(_COMMANDS)[:: 1 if number % 2 == 0 else -1]
    costs = {}
    for name in names:
        _set_state(project, state)
        costs[name] = _run(_COMMANDS[name], project, environment)
    return costs


def _set_state(project: Path, state: str) -> None:
    if state in ("cached", "new"):
        (project / "dvc.lock").unlink(missing_ok=True)
        shutil.rmtree(project / "artifacts", ignore_errors=True)
    if state == "new":
        for folder in (".dvc/cache", "bentoml", ".seodang/finished"):
            shutil.rmtree(project / folder, ignore_errors=True)


def _run(command: tuple[str, ...], project: Path, environment: Mapping[str, str]) -> Cost:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return Cost(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _render(state: str, pairs: list[dict[str, Cost]]) -> str:
    cells = []
    for field in ("seconds", "cpu_seconds"):
        columns = [[getattr(pair[name], field) for pair in pairs] for name in _COMMANDS]
        columns.append([flow - plain for plain, flow in zip(*columns, strict=True)])
        cells += [f"{statistics.median(column):.1f} ({min(column):.1f} to {max(column):.1f})" for column in columns]
    return f"| {state} | {len(pairs)} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
