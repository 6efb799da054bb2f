"""Items with known answers that both versions of a canary are asked, and how their answers compare.

Both versions get the same items, past the router, as requests of their own. Tasks take turns, and the item of a task is
drawn at random each time. So the pairs of a task are independent, and the null hypothesis is about its items.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from seodang.canary.decision import ScoreComparison
from seodang.canary.evidence import build_rate
from seodang.canary.pairs import PairCounts
from seodang.config.canary import OnlineScoreParams, ProbeParams, ScoreLimitParams
from seodang.errors import ReleaseError
from seodang.evaluation.metrics import is_exact_match
from seodang.i18n import _
from seodang.ingest.readers.strict import read_rows_strict
from seodang.paths import Paths
from seodang.release.router import Role

logger = logging.getLogger(__name__)
LABELLED: Final = "labelled"
"""Answers that are one of the labels, of all tasks with labels."""
CORRECT: Final = "correct"
"""Answers that are the reference; with a colon and a task, the name of its score."""
_STOP_SECONDS: Final = 1.0  # for the running pair, at the end; its thread ends with the process


@dataclass(frozen=True, slots=True)
class Probe:
    """An item with its known answer."""

    instruction: str
    input: str
    output: str
    task: str
    choices: tuple[str, ...]
    """Labels of the task; () if its answers are free."""


Ask = Callable[[Role, Probe], str | None]
"""Returns a version's answer; None if it took no request now, which says nothing about its answers."""


def read_probes(paths: Paths, params: ProbeParams) -> list[Probe]:
    """Return the items of the parameters; without names of tasks, those of all tasks with labels.

    Without a file in the parameters there may be none: a service may run where the validation split is not. The log
    says so.

    Args:
        paths: Of the project.
        params: File and tasks.

    Raises:
        ReleaseError: If the named file is missing, a row lacks a field, or a task has no item.
        SourceError: If the file cannot be read.
    """
    file = paths.get_split_path("validation") if params.file is None else paths.root / params.file
    if not file.is_file():
        problem = _("the file of the probes of a canary is missing: {file}", file=file)
        if params.file is not None or params.tasks is not None:
            raise ReleaseError(_("{problem}; correct canary.probes in params.yaml", problem=problem))
        logger.warning(_("{problem}; labels and correct answers are not compared (dvc pull)", problem=problem))
        return []
    rows = (_read_probe(row, file, number) for number, row in enumerate(read_rows_strict(file, str(file)), start=1))
    probes = [probe for probe in rows if probe is not None]
    if params.tasks is None:
        return [probe for probe in probes if probe.choices]
    if missing := sorted(set(params.tasks) - {probe.task for probe in probes}):
        raise ReleaseError(
            _(
                "{file} has no item of {tasks}; correct canary.probes.tasks in params.yaml",
                file=file,
                tasks=", ".join(missing),
            )
        )
    return [probe for probe in probes if probe.task in params.tasks]


def _read_probe(row: Mapping[str, Any], file: Path, number: int) -> Probe | None:
    """Return the item of a row; None for one of a conversation, which the route of the probes does not have."""
    if row.get("turns") or row.get("system"):
        return None
    missing = [name for name in ("instruction", "output", "task") if not isinstance(row.get(name), str)]
    if missing:
        raise ReleaseError(
            _("{file}, row {number}: a probe needs {fields}", file=file, number=number, fields=", ".join(missing))
        )
    return Probe(
        row["instruction"], row.get("input") or "", row["output"], row["task"], tuple(row.get("choices") or ())
    )


@dataclass(slots=True)
class ProbeTally:
    """Counts pairs of answers; one thread adds, others read."""

    probes: Sequence[Probe]
    _tables: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]] = field(default_factory=dict)
    """Score -> pairs by [whether the reference's answer is good, whether the candidate's is]."""

    def __post_init__(self) -> None:
        tasks = sorted({probe.task for probe in self.probes})
        labels = [LABELLED] if any(probe.choices for probe in self.probes) else []
        self._tables = {name: np.zeros((2, 2)) for name in [*labels, *(f"{CORRECT}:{task}" for task in tasks)]}

    def add(self, probe: Probe, answers: Mapping[Role, str]) -> None:
        """Count a pair of answers."""
        reference, candidate = answers["reference"], answers["candidate"]
        self._count(
            f"{CORRECT}:{probe.task}",
            is_exact_match(reference, probe.output),
            is_exact_match(candidate, probe.output),
        )
        if probe.choices:
            self._count(LABELLED, is_label(reference, probe.choices), is_label(candidate, probe.choices))

    def _count(self, name: str, reference: bool, candidate: bool) -> None:
        table = self._tables[name].copy()  # a reader has the old table or the new one
        table[int(reference), int(candidate)] += 1
        self._tables[name] = table

    def build_comparisons(self, scores: OnlineScoreParams) -> list[ScoreComparison]:
        """Return the comparisons of the scores that are not left out; their list is the same at each look."""
        comparisons = []
        for name, table in list(self._tables.items()):
            limit = scores.labelled if name == LABELLED else scores.correct
            if limit is not None:
                comparisons.append(_build_comparison(name, table, limit))
        return comparisons


def is_label(answer: str, choices: Sequence[str]) -> bool:
    """Return whether an answer is one of the labels, up to case, blanks and a final full stop."""
    return any(is_exact_match(answer, choice) for choice in choices)


def _build_comparison(
    name: str, table: np.ndarray[tuple[int, int], np.dtype[np.float64]], limit: ScoreLimitParams
) -> ScoreComparison:
    return ScoreComparison(
        name=name,
        reference=build_rate(table[1].sum(), table.sum()),
        candidate=build_rate(table[:, 1].sum(), table.sum()),
        pairs=PairCounts(lost=table[1, 0], equal=table[0, 0] + table[1, 1], gained=table[0, 1]),
        margin=limit.margin,
        tolerance=limit.tolerance,
    )


@contextmanager
def send_probes(ask: Ask, tally: ProbeTally, per_minute: float, seed: int) -> Iterator[Callable[[], None]]:
    """Ask both versions items in another thread, until the context ends.

    A pair counts if both versions answered it.

    Args:
        ask: Asks one version.
        tally: Gets the answers.
        per_minute: Pairs; above 0. Slow versions get fewer.
        seed: Of the order of the items.

    Yields:
        A function that raises the error with which the thread ended, if it did.
    """
    stop, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            for probe in _iterate(tally.probes, random.Random(seed)):
                if stop.wait(60 / per_minute):
                    return
                ask_pair(ask, tally, probe)
        except BaseException as error:  # whoever watches raises it
            failures.append(error)

    def check() -> None:
        if failures:
            raise failures[0]

    thread = threading.Thread(target=run, name="seodang-probes", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)


def ask_pair(ask: Ask, tally: ProbeTally, probe: Probe) -> None:
    """Ask both versions one item, and count the pair if both answered."""
    reference = ask("reference", probe)
    candidate = None if reference is None else ask("candidate", probe)
    if reference is not None and candidate is not None:
        tally.add(probe, {"reference": reference, "candidate": candidate})


def _iterate(probes: Sequence[Probe], generator: random.Random) -> Iterator[Probe]:
    """Yield items without end: tasks take turns, so that each has pairs from the beginning."""
    by_task: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        by_task[probe.task].append(probe)
    while True:
        for task in sorted(by_task):
            yield generator.choice(by_task[task])
