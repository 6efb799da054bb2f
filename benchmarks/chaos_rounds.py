"""A round of chaos.py: run a command, kill it at its moments, and run it again until it ends."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil
from chaos_kills import Kill, is_due, strike
from chaos_processes import StageCost, StageWatch, list_processes_in

from seodang.stages import STAGES

_POLL_SECONDS: Final = 0.01
_MAX_SECONDS: Final = 3600.0  # of one command
_FLOW: Final = "from flows.instruction_tuning import instruction_tuning; instruction_tuning(project='.')"
_REPAIR: Final = (sys.executable, "-m", "seodang", "doctor", "--repair")
_NEWS: Final = re.compile(
    r"repaired: .*|deleted \d+ temporary .*|resuming from checkpoint-\d+.*|.*the result is restored.*"
    r"|another (run|process) .*|removed .* of killed .*|resumes from its checkpoints|.*results of an interrupted .*"
    r"|ERROR: .*|Received non-final state 'AwaitingRetry'.*|.*are already evaluated.*"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a user would type again after a kill."""

    name: str
    words: tuple[str, ...]
    is_flow: bool = False
    may_repair: bool = False
    """DVC alone does not repair its files: where it fails, `seodang doctor --repair` goes before the next attempt."""


COMMANDS: Final = (
    Command("seodang run", (sys.executable, "-m", "seodang", "run")),
    Command("flow", (sys.executable, "-c", _FLOW), is_flow=True),
    Command("dvc repro", (str(Path(sys.executable).parent / "dvc"), "repro"), may_repair=True),
)


def plan_rounds(kills: int) -> list[tuple[Command, int]]:
    """Return the rounds: a command and a number of kills, at most one for each stage."""
    rounds: list[tuple[Command, int]] = []
    while kills > 0:
        for command, share in zip(COMMANDS, (len(STAGES), 5, 4), strict=True):
            if number := min(share, kills):
                rounds.append((command, number))
                kills -= number
    return rounds


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    command: str
    kill: Kill
    moment: str = "not reached"
    said: str = ""
    has_ended: bool = False
    """The round ended with success."""
    different: tuple[str, ...] = ()
    """Outputs of the round that are not those of the undisturbed run."""

    @property
    def is_good(self) -> bool:
        """Whether the kill struck, and the round ended with the right outputs."""
        return self.has_ended and not self.different and self.moment != "not reached"

    def judge(self, different: Sequence[str]) -> Row:
        """Return the row with the comparison of its round."""
        return replace(self, different=tuple(different))

    def render(self, number: int) -> str:
        """Return the line in markdown."""
        equal = "yes" if not self.different else "no: " + ", ".join(self.different[:5])
        said = self.said.replace("|", "/") or "-"
        return f"| {number} | {self.command} | {self.kill.stage} | {self.kill.victim} | {self.moment} | {said} | {equal} |\n"


def measure_costs(project: Path, environment: Mapping[str, str], log: Path) -> dict[str, StageCost]:
    """Run the pipeline undisturbed and return what its stages cost.

    Raises:
        CalledProcessError: If the run fails; its output is in `log`.
    """
    words = COMMANDS[0].words
    with log.open("wb") as output:
        process = psutil.Popen(words, cwd=project, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        watch = StageWatch(process, STAGES)
        while (code := process.poll()) is None:
            watch.look()
            time.sleep(_POLL_SECONDS)
    if code != 0:
        raise subprocess.CalledProcessError(code, words)
    return {stage: watch.costs[stage] for stage in STAGES}


def run_round(
    project: Path,
    command: Command,
    kills: Sequence[Kill],
    costs: Mapping[str, StageCost],
    environment: Mapping[str, str],
) -> list[Row]:
    """Run a command until it ends with success, and kill it on the way; return a row per kill.

    Args:
        project: As nobody has run it yet.
        command: Started again right after each kill, while processes that survived it may still run.
        kills: In the order of the stages.
        costs: Of the undisturbed run.
        environment: Of the command.
    """
    log = project.with_suffix(".log")
    rows: list[Row] = []
    offsets: list[int] = []  # in the log, of the kills
    has_ended, may_repair = False, command.may_repair
    while not has_ended:
        struck = len(rows)
        with log.open("ab") as output:
            process = psutil.Popen(
                command.words, cwd=project, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
            )
            for row in _watch(process, command, kills[struck:], costs):
                rows.append(row)
                offsets.append(log.stat().st_size)
        has_ended = process.returncode == 0
        if not has_ended and len(rows) == struck:  # it failed although nobody killed it
            if not may_repair:
                break
            with log.open("ab") as output:
                subprocess.run(_REPAIR, cwd=project, env=dict(environment), stdout=output, stderr=output, check=False)
        may_repair = command.may_repair and len(rows) > struck
    _wait_for_survivors(project)
    parts = zip(offsets, [*offsets[1:], None], strict=True)
    said = [_find_news(log.read_bytes()[start:end].decode("utf-8", "replace")) for start, end in parts]
    rows = [replace(row, said=text) for row, text in zip(rows, said, strict=True)]
    rows += [Row(command.name, kill) for kill in kills[len(rows) :]]
    return [replace(row, has_ended=has_ended) for row in rows]


def _watch(
    process: psutil.Popen, command: Command, kills: Sequence[Kill], costs: Mapping[str, StageCost]
) -> Iterator[Row]:
    """Wait for the end of a command; yield a row for each kill that strikes it."""
    watch, waiting = StageWatch(process, STAGES), list(kills)
    deadline = time.monotonic() + _MAX_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        watch.look()
        if waiting and is_due(waiting[0], watch, costs):
            kill = waiting.pop(0)
            yield Row(command.name, kill, strike(kill, process, watch))
        time.sleep(_POLL_SECONDS)


def _wait_for_survivors(project: Path) -> None:
    deadline = time.monotonic() + _MAX_SECONDS
    while list_processes_in(project) and time.monotonic() < deadline:
        time.sleep(0.5)


def _find_news(text: str) -> str:
    """Return what a run says about the kill before it, each once."""
    found = [match[0].strip() for line in text.splitlines() if (match := _NEWS.search(line))]
    return "; ".join(dict.fromkeys(found))
