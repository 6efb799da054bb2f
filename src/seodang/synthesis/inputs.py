"""Read what a recipe starts from: seed tasks, tasks to translate, prompts, quarantined rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from seodang.config.load import resolve_params
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.file_rows import iter_file_rows
from seodang.ingest.formats.detect import detect_reader
from seodang.ingest.readers.read import read_objects
from seodang.io.jsonl import read_rows
from seodang.primer.generator import iter_bundled_records
from seodang.records import Language, detect_language, normalize, replace_surrogates

PRIMER: Final = "primer"
_SEED_TASKS: Final = "seed_tasks.jsonl"
_PROMPT_KEYS: Final = {"instruction", "input"}
_RULE_KEYS: Final = ("id", "severity", "field", "found", "reason_en", "reason_ko", "fix_en", "fix_ko")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTask:
    """A task that a recipe starts from."""

    instruction: str
    input: str
    output: str
    """"" where the file has none."""
    language: Language
    choices: tuple[str, ...] = ()
    """Labels of a classification task."""

    @property
    def texts(self) -> dict[str, str]:
        """Instruction, input and output by name."""
        return {"instruction": self.instruction, "input": self.input, "output": self.output}

    @property
    def prompt(self) -> str:
        """Instruction and input in one text."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A rejected row of stage `validate` with the rules that reject it."""

    task: SourceTask
    rules: tuple[Mapping[str, Any], ...]
    origin: Mapping[str, Any]
    """Source, file and number of the row."""


@dataclass(slots=True)
class Skipped:
    """Objects of a file that a recipe cannot use, by reason."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """Count one object."""
        self.counts[reason] = self.counts.get(reason, 0) + 1


def read_tasks(name: str, folder: Path, skipped: Skipped, limit: int | None = None) -> list[SourceTask]:
    """Return the tasks of a file, or the seed tasks of the primer.

    An object with an instruction needs no output. Any other file is read as `ingest` reads it.

    Args:
        name: "primer", or a path relative to `folder`.
        folder: Folder of the project.
        skipped: Counts the objects without an instruction, and those of a conversation.
        limit: Maximum number of tasks, from the beginning; None: all.

    Raises:
        SourceError: If the file cannot be used, or has no task.
    """
    tasks = list(islice(_iter_tasks(name, folder, skipped), limit))
    if not tasks:
        raise SourceError(
            _("{path} has no task: none of its objects has an instruction and is a single turn", path=name)
        )
    return tasks


def _iter_tasks(name: str, folder: Path, skipped: Skipped) -> Iterator[SourceTask]:
    if name == PRIMER:
        for record in iter_bundled_records(_SEED_TASKS, task="seed", cluster="seed"):
            yield _build_task(record.instruction, record.input, record.output, record.choices)
        return
    for row in _iter_rows(folder / name, name):
        if row.get("turns"):
            skipped.add("conversation")
        elif not isinstance(row.get("instruction"), str) or not row["instruction"].strip():
            skipped.add("no_instruction")
        else:
            yield _build_task(row["instruction"], row.get("input"), row.get("output"), row.get("choices"))


def _iter_rows(path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a file of prompts as they are, and the rows of any other file."""
    first = next(iter(read_objects(path, name)), {})
    if "instruction" in first and first.keys() <= _PROMPT_KEYS:
        yield from read_objects(path, name)
        return
    limit = int(resolve_params({})["ingest"]["max_field_characters"])
    rows = iter_file_rows(
        path, name, format="auto", columns=None, table=None, name="recipe", max_field_characters=limit
    )
    yield from rows


def read_quarantine(name: str, folder: Path, skipped: Skipped) -> Iterator[QuarantinedRow]:
    """Yield the rows of a quarantine file that have an instruction in a single turn.

    Raises:
        ArtifactError: If the file is missing or no JSONL.
        SourceError: If its lines are no quarantined rows.
    """
    for number, line in enumerate(read_rows(folder / name), start=1):
        if not _is_quarantined(line):
            raise SourceError(
                _(
                    "{path}, line {line}: is no quarantined row; name the quarantine.jsonl of stage validate",
                    path=name,
                    line=number,
                )
            )
        task = _read_original(line["row"], name)
        if isinstance(task, str):
            skipped.add(task)
        else:
            origin = {key: line.get(key) for key in ("source", "file", "source_row")}
            rules = tuple(rule for rule in line["rules"] if rule.get("severity") == "reject")
            yield QuarantinedRow(task, rules, origin)


def _is_quarantined(line: Any) -> bool:
    """Return whether a line has a row and its rules, with the words that a teacher gets."""
    rules = line.get("rules") if isinstance(line, dict) and "row" in line else None
    return isinstance(rules, list) and all(
        isinstance(rule, dict) and all(isinstance(rule.get(key), str) for key in _RULE_KEYS) for rule in rules
    )


def _read_original(original: object, location: str) -> SourceTask | str:
    """Return the task of a row as it is in its file, or why there is none: it is a conversation, or a preference.

    A preference is about the answers that the row has: a bad one must not come back as one to learn.
    """
    if not isinstance(original, dict):
        return "no_single_turn"
    try:
        reader = detect_reader(list(original), [original], format="auto", columns=None, table=None, location=location)
        samples = list(reader.convert(original))
    except SourceError:
        return "no_single_turn"
    if any(sample.rejected or sample.desirable is not None for sample in samples):
        return "preference"
    if len(samples) != 1 or samples[0].turns or not isinstance(samples[0].instruction, str):
        return "no_single_turn"
    return _build_task(samples[0].instruction, samples[0].input, samples[0].output)


def _build_task(instruction: str, input: object, output: object, choices: object = ()) -> SourceTask:
    instruction, input, output = (
        normalize(replace_surrogates(text)) if isinstance(text, str) else "" for text in (instruction, input, output)
    )
    language = detect_language(f"{instruction} {input}")
    labels = tuple(map(str, choices)) if isinstance(choices, list | tuple) else ()
    return SourceTask(instruction=instruction, input=input, output=output, language=language, choices=labels)
