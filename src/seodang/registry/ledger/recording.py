"""The ledger: one JSONL file per set of test items, with every judgement on it. Git tracks the files.

The first line holds the items. Each further line holds a judgement with the candidate's scores in the order of the
items. Binary scores are a string of 0, 1 and - (no score), other scores a list of numbers. `tests` has the level that
each test used and the checksum of its reference. A judgement is appended once. The same scores and the same outcome
leave the file as it is, so a stage that runs again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from seodang.config import GateParams
from seodang.config.validation_errors import describe_read_error
from seodang.errors import ArtifactError
from seodang.evaluation.exam import ExamItem
from seodang.gate.comparisons import Comparison
from seodang.gate.coverage import TrainedTask
from seodang.gate.decision import Decision, decide
from seodang.gate.judgement import Judgement, build_judgement
from seodang.gate.messages import Reason
from seodang.i18n import _, ngettext
from seodang.io.atomic import write_atomically
from seodang.io.folder_lock import hold_folder
from seodang.registry.ledger.committed_lines import read_committed_lines
from seodang.registry.ledger.lines import format_items, format_judgement, name_file, parse_items, parse_judgement

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A verdict that the ledger holds."""

    decision: Decision
    candidate: str
    """Checksum of the candidate's scores, by which the ledger names the judgement."""
    path: Path | None
    """File that was extended; None if the ledger had the judgement."""


def decide_and_record(
    folder: Path,
    comparisons: Mapping[str, Sequence[Comparison]],
    gate: GateParams,
    tasks: Sequence[TrainedTask] = (),
    exams: Sequence[ExamItem] = (),
    further_reasons: Sequence[Reason] = (),
) -> RecordedDecision:
    """Return the verdict in the light of the ledger, which now holds it.

    One process at a time reads, decides and records, so that no two candidates get the same number. The judgement is on
    disk before its verdict is known to anybody.

    Args:
        folder: Of the ledger; created with the first judgement.
        comparisons: As `decide` takes them.
        gate: Rules and thresholds.
        tasks: As `decide` takes them.
        exams: As `decide` takes them.
        further_reasons: As `decide` takes them.

    Raises:
        EvaluationError: As `decide` does; nothing is recorded.
        ArtifactError: If a file of the ledger is damaged.
    """
    with hold_folder(folder):
        ledger = read_ledger(folder)
        decision = decide(comparisons, gate, ledger, tasks, exams, further_reasons)
        pairs = next(pairs for references in comparisons.values() for _name, pairs in references)
        judgement = build_judgement(
            pairs,
            gate,
            met=decision.met,
            verdict=decision.verdict,
            created_at=_get_next_time(ledger),
            tests=decision.tests,
        )
        return RecordedDecision(decision, judgement.candidate, record_judgement(folder, judgement, ledger))


def _get_next_time(ledger: Sequence[Judgement]) -> str:
    """Return the time, later than all judgements: their order counts, and a clock may be set back."""
    now = datetime.now(UTC).replace(microsecond=0)
    if ledger:
        now = max(now, datetime.fromisoformat(ledger[-1].created_at).astimezone(UTC) + timedelta(seconds=1))
    return now.isoformat()


def read_ledger(folder: Path) -> list[Judgement]:
    """Return the judgements of all sets, oldest first; an empty list without a ledger.

    Judgements that any commit of the repository has count too, so that neither a deleted file, a reverted commit nor
    another branch gives a candidate a new chance.

    Raises:
        ArtifactError: If a file is damaged. Without its judgements, a verdict would claim too much.
    """
    committed = read_committed_lines(folder)
    judgements: list[Judgement] = []
    lost = 0
    for name in sorted({path.name for path in folder.glob("*.jsonl")} | committed.keys()):
        path = folder / name
        present, texts = _read_file(path) if path.exists() else ([], set())
        missing = _parse_committed(committed.get(name, ()), texts)
        lost += len(missing)
        judgements += [*missing, *present]
    if lost:
        logger.warning(
            ngettext(
                "{count} judgement of other commits is not in {folder}, and counts: it was made on another branch, or its "
                "line was deleted or edited (git log --all -- {folder})",
                "{count} judgements of other commits are not in {folder}, and count: they were made on another branch, or "
                "their lines were deleted or edited (git log --all -- {folder})",
                lost,
                folder=folder,
            )
        )
    # Stable: lines of a file keep their order, and an edited line comes after what it was.
    return sorted(judgements, key=lambda judgement: datetime.fromisoformat(judgement.created_at))


def _parse_committed(lines: Sequence[str], present: Collection[str]) -> list[Judgement]:
    """Return the judgements of committed lines that a file lacks, oldest first; damaged lines are left out."""
    header = next((line for line in lines if line.startswith('{"items"')), "")
    judgements = []
    for line in reversed(dict.fromkeys(lines)):
        if line in present or line == header:
            continue
        with suppress(ValueError):  # also pydantic's ValidationError
            judgements.append(parse_judgement(line, parse_items(header)))
    return judgements


def record_judgement(folder: Path, judgement: Judgement, ledger: Sequence[Judgement]) -> Path | None:
    """Append a judgement to the file of its items; return the file, or None if the ledger has the judgement already.

    Args:
        folder: Of the ledger.
        judgement: The new one.
        ledger: What the folder holds.
    """
    if any(_identify(other) == _identify(judgement) for other in ledger):
        return None
    header = format_items(judgement)
    path = folder / f"{name_file(judgement)}.jsonl"
    earlier = path.read_text("utf-8") if path.exists() else header
    separator = "" if earlier.endswith("\n") else "\n"
    write_atomically(path, [earlier, separator, format_judgement(judgement)])
    return path


def _identify(judgement: Judgement) -> tuple[object, ...]:
    references = {name: use.reference for name, use in judgement.tests.items()}
    return judgement.candidate, judgement.items, judgement.met, references


def _read_file(path: Path) -> tuple[list[Judgement], set[str]]:
    """Return the judgements of a file, and its lines."""
    number = 1
    try:
        lines = dict(enumerate(path.read_text("utf-8").rstrip("\n").split("\n"), start=1))
        header = lines.pop(1)
        items = parse_items(header)
        judgements = []
        for number in lines:
            if lines[number].strip() and lines[number] != header:  # a merge may repeat the header
                judgements.append(parse_judgement(lines[number], items))
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            _(
                "{file}, line {number}: the judgements on these test items cannot be read ({error}). After a merge keep the "
                "lines of both sides; otherwise restore the file from git (git log {file})",
                file=path,
                number=number,
                error=describe_read_error(error),
            )
        ) from error
    return judgements, {*lines.values()}
