"""The ledger: one JSONL file per set of test items, with every judgement on it. Git tracks the files.

The first line holds the items. Each further line holds a judgement with the candidate's scores in the order of the
items. Binary scores are a string of 0, 1 and - (no score), other scores a list of numbers. `tests` has the level that
each test used and the checksum of its reference. A judgement is appended once. The same scores and the same outcome
leave the file as it is, so a stage that runs again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from seodang.config import GateParams
from seodang.config.validation_errors import describe_read_error
from seodang.errors import ArtifactError
from seodang.evaluation.exam import ExamItem
from seodang.gate.comparisons import Comparison
from seodang.gate.coverage import TrainedTask
from seodang.gate.decision import Decision, decide
from seodang.gate.judgement import ItemKey, Judgement, Spending, build_judgement
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import format_json_line

_BINARY = {0.0: "0", 1.0: "1", None: "-"}


class _Items(BaseModel):
    """The first line of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    items: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class _Spending(BaseModel):
    """What a test used."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    level: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)]
    """Less than zero would give later judgements more than 1 - gate.confidence."""
    reference: str


class _Line(BaseModel):
    """A judgement."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    candidate: str
    created_at: str
    verdict: str
    met: list[str]
    tests: dict[str, _Spending]
    scores: dict[str, Annotated[str, Field(pattern=r"^[01-]*$")] | list[FiniteFloat | None]]


def decide_and_record(
    folder: Path,
    comparisons: Mapping[str, Sequence[Comparison]],
    gate: GateParams,
    tasks: Sequence[TrainedTask] = (),
    exams: Sequence[ExamItem] = (),
) -> tuple[Decision, Path | None]:
    """Return the verdict in the light of the ledger, and the file that now holds it; None if it was there already.

    One process at a time reads, decides and records, so that no two candidates get the same number. The judgement is on
    disk before its verdict is known to anybody.

    Args:
        folder: Of the ledger; created with the first judgement.
        comparisons: As `decide` takes them.
        gate: Rules and thresholds.
        tasks: As `decide` takes them.
        exams: As `decide` takes them.

    Raises:
        EvaluationError: As `decide` does; nothing is recorded.
        ArtifactError: If a file of the ledger is damaged.
    """
    name = hashlib.sha256(f"{os.getuid()} {folder.resolve()}".encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"seodang-ledger-{name}.lock"):
        ledger = read_ledger(folder)
        decision = decide(comparisons, gate, ledger, tasks, exams)
        pairs = next(pairs for references in comparisons.values() for _name, pairs in references)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        judgement = build_judgement(
            pairs, gate, met=decision.met, verdict=decision.verdict, created_at=now, tests=decision.tests
        )
        return decision, record_judgement(folder, judgement, ledger)


def read_ledger(folder: Path) -> list[Judgement]:
    """Return the judgements of all sets, oldest first; an empty list without a ledger.

    Raises:
        ArtifactError: If a file is damaged. Without its judgements, a verdict would claim too much.
    """
    judgements = [judgement for path in sorted(folder.glob("*.jsonl")) for judgement in _read_file(path)]
    return sorted(judgements, key=lambda judgement: judgement.created_at)  # stable: lines of a file keep their order


def record_judgement(folder: Path, judgement: Judgement, ledger: Sequence[Judgement]) -> Path | None:
    """Append a judgement to the file of its items; return the file, or None if the ledger has the judgement already.

    Args:
        folder: Of the ledger.
        judgement: The new one.
        ledger: What the folder holds.
    """
    if any(_identify(other) == _identify(judgement) for other in ledger):
        return None
    items = sorted(judgement.items)
    content = json.dumps(items)  # in ASCII, because an item may have any name
    path = folder / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.jsonl"
    earlier = path.read_text("utf-8") if path.exists() else format_json_line({"items": [list(key) for key in items]})
    line = {
        "candidate": judgement.candidate,
        "created_at": judgement.created_at,
        "verdict": judgement.verdict,
        "met": sorted(judgement.met),
        "tests": {name: use._asdict() for name, use in sorted(judgement.tests.items())},
        "scores": {metric: _pack_scores(scores, items) for metric, scores in sorted(judgement.scores.items())},
    }
    separator = "" if earlier.endswith("\n") else "\n"
    write_atomically(path, [earlier, separator, format_json_line(line)])
    return path


def _identify(judgement: Judgement) -> tuple[object, ...]:
    references = {name: use.reference for name, use in judgement.tests.items()}
    return judgement.candidate, judgement.items, judgement.met, references


def _read_file(path: Path) -> list[Judgement]:
    number = 1
    try:
        lines = dict(enumerate(path.read_text("utf-8").rstrip("\n").split("\n"), start=1))
        header = lines.pop(1)
        items: list[ItemKey] = [(task, item) for task, item in _Items.model_validate(json.loads(header)).items]
        judgements = []
        for number in lines:
            if lines[number].strip() and lines[number] != header:  # a merge may repeat the header
                judgements.append(_parse_line(_Line.model_validate(json.loads(lines[number])), items))
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise ArtifactError(
            _(
                "{file}, line {number}: the judgements on these test items cannot be read ({error}). After a merge keep the "
                "lines of both sides; otherwise restore the file from git (git log {file})",
                file=path,
                number=number,
                error=describe_read_error(error),
            )
        ) from error
    return judgements


def _parse_line(line: _Line, items: Sequence[ItemKey]) -> Judgement:
    scores = {metric: _unpack_scores(values, items) for metric, values in line.scores.items()}
    return Judgement(
        candidate=line.candidate,
        created_at=line.created_at,
        verdict=line.verdict,
        items=frozenset(items),
        scores=scores,
        met=frozenset(line.met),
        tests={name: Spending(use.level, use.reference) for name, use in line.tests.items()},
    )


def _pack_scores(scores: Mapping[ItemKey, float], items: Sequence[ItemKey]) -> str | list[Any]:
    values = [scores.get(key) for key in items]
    return "".join(_BINARY[value] for value in values) if set(values) <= _BINARY.keys() else values


def _unpack_scores(values: str | list[float | None], items: Sequence[ItemKey]) -> dict[ItemKey, float]:
    if len(values) != len(items):
        raise ValueError(f"{len(values)} scores, {len(items)} items")
    numbers = [None if value == "-" else float(value) for value in values] if isinstance(values, str) else values
    return {key: float(value) for key, value in zip(items, numbers, strict=True) if value is not None}
