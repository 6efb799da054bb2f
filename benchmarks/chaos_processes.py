"""Follow the stages of a run from outside: which one is at work, and what it has cost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_SHELLS: Final = frozenset({"sh", "bash", "dash"})  # DVC starts a stage through one


@dataclass(frozen=True, slots=True)
class StageCost:
    """CPU time of a stage in a run, in seconds."""

    work: float
    saving: float
    """Of DVC, from the end of the stage to the start of the next one."""


class StageWatch:
    """Follows a run from stage to stage; `look` has to be called often."""

    def __init__(self, root: psutil.Process, stages: Sequence[str]) -> None:
        """Follow the descendants of a process; none of them needs to exist yet."""
        self.costs: dict[str, StageCost] = {}
        """Of the stages that have begun; the last one still grows."""
        self.stage = ""
        """At work, or the last one that was."""
        self.worker: psutil.Process | None = None
        """Of the stage, while it is at work."""
        self.dvc: psutil.Process | None = None
        """That runs or ran the stage, while it lives."""
        self._root, self._stages, self._saving_from = root, frozenset(stages), 0.0

    def look(self) -> None:
        """Note what the run does now; a stage that comes and goes between two looks is missed."""
        if self.worker is not None:
            if (cpu := _read_cpu(self.worker, with_children=True)) is not None:
                self.costs[self.stage] = StageCost(cpu, 0.0)
                return
            self.worker = None
            self._saving_from = _read_cpu(self.dvc) or 0.0
        if (cpu := _read_cpu(self.dvc)) is None:
            self.dvc = None
        elif self.stage:
            self.costs[self.stage] = StageCost(self.costs[self.stage].work, cpu - self._saving_from)
        self._find_stage()

    def _find_stage(self) -> None:
        for process in list_descendants(self._root):
            with suppress(psutil.Error):
                words = process.cmdline()[-2:]
                if words[:1] == ["stage"] and words[1] in self._stages:
                    self.stage, self.worker, self.dvc = words[1], process, _find_dvc(process)
                    self.costs[self.stage] = StageCost(0.0, 0.0)
                    return


def _find_dvc(stage: psutil.Process) -> psutil.Process | None:
    return next((parent for parent in stage.parents() if parent.name() not in _SHELLS), None)


def _read_cpu(process: psutil.Process | None, *, with_children: bool = False) -> float | None:
    """Return the CPU seconds of a process; None if it is gone."""
    with suppress(psutil.Error):
        if process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            times = process.cpu_times()
            return float(sum(times[: 4 if with_children else 2]))
    return None


def list_descendants(root: psutil.Process) -> list[psutil.Process]:
    """Return the processes below one; the kernel's list of children is quicker than a look at all processes."""
    found: list[psutil.Process] = []
    waiting = [root.pid]
    while waiting:
        pid = waiting.pop()
        for file in Path("/proc", str(pid), "task").glob("*/children"):
            with suppress(OSError, psutil.Error):
                for child in map(int, file.read_text().split()):
                    waiting.append(child)
                    found.append(psutil.Process(child))
    return found


def list_processes_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder or below it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
