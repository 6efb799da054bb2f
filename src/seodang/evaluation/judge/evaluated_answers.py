"""The free answers of a model in the last evaluation, as a file that the judge compares."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from seodang.errors import EvaluationError
from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.i18n import _
from seodang.io.jsonl import read_records, read_rows, write_rows
from seodang.paths import Paths
from seodang.records import Record


def export_answers(paths: Paths, variant: str, file: Path) -> int:
    """Write the answers of a variant to the items without labels, and return their number.

    Args:
        paths: Of the project; the evaluation is that of the last run.
        variant: tuned, aligned, champion, or a prompt of the base.
        file: Of the answers; two variants of one evaluation have the same items.

    Raises:
        ArtifactError: If there is no evaluation.
        EvaluationError: If the variant has no free answer; the message names those that have some.
    """
    rows = [row for row in read_rows(paths.scores) if row["kind"] == "open" and row["answer"] is not None]
    if not any(row["variant"] == variant for row in rows):
        known = sorted({row["variant"] for row in rows})
        raise EvaluationError(
            _(
                "the last evaluation has no free answer of {variant}; it has those of: {known}",
                variant=variant,
                known=", ".join(known) or "-",
            )
        )
    prompts = {(record.task, record.id): _write_prompt(record) for record in read_records(paths.items)}
    answers = [
        ModelAnswer(
            task=row["task"],
            item=row["item"],
            language=row["language"],
            prompt=prompts[row["task"], row["item"]],
            answer=row["answer"],
            reference=row["reference"],
            group=row["group"],
        )
        for row in rows
        if row["variant"] == variant
    ]
    write_rows(file, map(asdict, answers))
    return len(answers)


def _write_prompt(record: Record) -> str:
    """Return what the model was asked, as a text: the conversation before it with its roles, instruction and input."""
    before = [f"{turn.role}: {turn.content}" for turn in record.turns]
    return "\n\n".join(part for part in (record.system, *before, record.instruction, record.input) if part)
