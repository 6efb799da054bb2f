"""Rewrite: a quarantined row is written anew by the reasons that it was rejected for, and checked by the same rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from seodang.config.load import load_params
from seodang.config.recipe_kinds import RewriteParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.provenance import PROVENANCE_KEY
from seodang.ingest.rows import LABEL_UNKNOWN, LOSS_UNCLEAR, MEDIA_PART, NOT_LEARNED, TURNS_BROKEN
from seodang.synthesis.batches import resolve_batch
from seodang.synthesis.calls import Call, Generated, Outcome, Rejection, Reply, Row
from seodang.synthesis.figures import summarize
from seodang.synthesis.inputs import QuarantinedRow, Skipped, read_quarantine
from seodang.synthesis.prompt_texts import REASON, REWRITE
from seodang.synthesis.recipe_calls import Asker, CallRound, TaskPrompt
from seodang.synthesis.row_check import RowCheck
from seodang.synthesis.tasks import INPUT, INSTRUCTION, OUTPUT, ParsedTask
from seodang.validation.check_files import CheckParams
from seodang.validation.checks import marks
from seodang.validation.checks.registry import CHECKS, METRICS

_FIELDS: Final = (INSTRUCTION, INPUT, OUTPUT)
# A person decided these, or what the row lacks cannot be written anew; no new text can be shown to pass them.
_FINAL_RULES: Final = frozenset(
    {*(rule.id for rule in marks.RULES), LABEL_UNKNOWN, LOSS_UNCLEAR, MEDIA_PART, NOT_LEARNED, TURNS_BROKEN}
)


def build_rewrite(asker: Asker, recipe: RewriteParams, folder: Path) -> Rewrite:
    """Return the recipe with the rows that a new text can bring through the rules.

    Raises:
        ArtifactError: If the quarantine file cannot be read.
        SourceError: If it has no such row.
        ParamsError: If params.yaml cannot be used.
    """
    skipped = Skipped()
    rows = read_rewritable(recipe, folder, skipped)
    if not rows:
        raise SourceError(
            _(
                "{path} has no row that can be rewritten; left out by reason: {skipped}",
                path=recipe.quarantine,
                skipped=", ".join(f"{name} {count:,}" for name, count in skipped.counts.items()) or "–",
            )
        )
    return Rewrite(asker, RowCheck(_load_check_params(recipe, folder)), rows, skipped)


def read_rewritable(recipe: RewriteParams, folder: Path, skipped: Skipped) -> list[QuarantinedRow]:
    """Return the rows that a new text can bring through the rules, up to the limit.

    Raises:
        ArtifactError: If the quarantine file cannot be read.
        SourceError: If its lines are no quarantined rows.
    """
    return list(islice(_iter_rewritable(recipe.quarantine, folder, skipped), recipe.limit))


def _iter_rewritable(name: str, folder: Path, skipped: Skipped) -> Iterator[QuarantinedRow]:
    for row in read_quarantine(name, folder, skipped):
        ids = [rule["id"] for rule in row.rules]
        final = [id for id in ids if id in _FINAL_RULES or not (id in CHECKS or id in METRICS)]
        if final or not ids:
            skipped.add(final[0] if final else "no_rule")
        else:
            yield row


def _load_check_params(recipe: RewriteParams, folder: Path) -> CheckParams:
    """Return the rules of params.yaml, or the defaults."""
    if recipe.params is None:
        return CheckParams.load_default()
    params = load_params(folder / recipe.params)
    return CheckParams(
        max_field_characters=params.ingest.max_field_characters,
        expectations=params.expectations.bound_tokens(params.train.max_length),
    )


class Rewrite(CallRound):
    """The recipe: one round, one row in each call."""

    def __init__(self, asker: Asker, check: RowCheck, rows: Sequence[QuarantinedRow], skipped: Skipped) -> None:
        """Begin with the rows."""
        self._check, self._asker, self._rows, self._skipped = check, asker, rows, skipped
        super().__init__([self._make_call(number, row) for number, row in enumerate(rows)])
        self._kept: list[Row] = []
        self._rejections: list[Rejection] = []

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Check the new texts."""
        for call, outcome, row in zip(self.calls, outcomes, self._rows, strict=True):
            resolved = resolve_batch(call, outcome, _FIELDS, 1)
            self._rejections += [rejection for _number, rejection in resolved.rejections]
            if isinstance(outcome, Reply):
                for task in resolved.tasks.values():
                    self._judge(call, outcome, row, task)

    def finish(self) -> Generated:
        """Return the rows that pass now."""
        figures = {"quarantined": len(self._rows), "skipped": self._skipped.counts}
        return summarize(self._kept, self._rejections, figures)

    def _make_call(self, number: int, row: QuarantinedRow) -> Call:
        language = row.task.language
        reasons = "\n".join(_describe_rule(rule, REASON[language], language) for rule in row.rules)
        prompt = TaskPrompt(
            rules=REWRITE[language].format(reasons=reasons),
            language=language,
            given_fields=_FIELDS,
            given=[row.task.texts],
            reply_fields=_FIELDS,
            repeats_numbers=True,
        )
        return self._asker.ask_for_tasks(prompt, number=number)

    def _judge(self, call: Call, reply: Reply, row: QuarantinedRow, task: ParsedTask) -> None:
        """Keep a row that passes the rules that rejected it and all others; reject another one by its first rule."""
        ids = [rule["id"] for rule in row.rules]
        if violation := self._check.find(task.texts, ids):
            id, finding = violation
            reason = "violates_again" if id in ids else "violates_another_rule"
            detail = f"{id}: {finding.excerpt}"
            self._rejections.append(Rejection(keys=(call.key,), reason=reason, detail=detail, text=task.raw))
            return
        provenance = {**self._asker.trace(call, reply), "rewritten_for": ids, "rewritten_from": row.origin}
        content = {**task.texts, PROVENANCE_KEY: provenance}
        self._kept.append(Row(keys=(call.key,), content=content))


def _describe_rule(rule: Mapping[str, Any], form: str, language: str) -> str:
    return form.format(
        reason=rule[f"reason_{language}"],
        field=rule["field"],
        found=rule["found"],
        fix=rule[f"fix_{language}"],
    )
