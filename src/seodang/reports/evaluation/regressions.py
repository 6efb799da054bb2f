"""Items on which the candidate and its references differ, the largest regressions first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.errors import ArtefactError
from seodang.evaluation.aggregate import ItemScore, is_correct
from seodang.i18n import _
from seodang.records import Record
from seodang.reports.evaluation.comparison import TaskKey, get_task_key

Kind = Literal["regression", "gain", "same"]
ItemKey = tuple[str, str, str]  # task, language, id
MAX_CHANGES: Final[Mapping[Kind, int]] = {"regression": 200, "gain": 60, "same": 60}
"""Upper limit of items of each kind on the page."""


@dataclass(frozen=True, slots=True)
class VariantAnswer:
    """The answer of one variant to an item."""

    variant: str
    prediction: str | None
    answer: str | None
    is_correct: bool | None  # None where the primary metric is not binary
    loss: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """One item with the answers of the candidate and its references."""

    kind: Kind
    lost_to: tuple[str, ...]
    """Correct references of an item that the candidate answers incorrectly."""
    loss_difference: float
    """Candidate minus the lowest loss of a reference; 0 without a loss."""
    task: str
    language: str
    split: str
    context: str  # system text and earlier turns
    instruction: str
    input: str
    reference: str
    answers: tuple[VariantAnswer, ...]  # the references, the candidate last


@dataclass(frozen=True, slots=True)
class Changes:
    """The items on the page, and the total of each kind."""

    selection: list[Change]
    totals: Mapping[Kind, int]

    @property
    def selection_counts(self) -> dict[Kind, int]:
        """Return the number of items of each kind on the page."""
        return {kind: sum(change.kind == kind for change in self.selection) for kind in MAX_CHANGES}


def find_changes(
    scores: Sequence[ItemScore],
    records: Mapping[ItemKey, Record],
    candidate: str,
    best: Mapping[TaskKey, str],
    other_variants: Sequence[str],
) -> Changes:
    """Return regressions, unchanged items and gains, each sorted by the rise of their loss.

    A regression is an item that a reference answers correctly and the candidate does not; a gain is the reverse. Where
    a kind exceeds its limit, the items with the largest change of the loss remain.

    Args:
        scores: Of all variants.
        records: Of all items.
        candidate: Variant that is compared.
        best: The base's variant that it is compared with, by task.
        other_variants: Further variants that it is compared with.

    Raises:
        ArtefactError: If an item's record is missing.
    """
    scores_by_key = {(score.variant, _get_item_key(score)): score for score in scores}
    changes = []
    for score in (score for score in scores if score.variant == candidate):
        references = [
            scores_by_key[variant, _get_item_key(score)]
            for variant in (best.get(get_task_key(score), ""), *other_variants)
            if (variant, _get_item_key(score)) in scores_by_key
        ]
        changes.append(_build_change(score, references, records))
    selection: list[Change] = []
    for kind, limit in MAX_CHANGES.items():
        kind_changes = [change for change in changes if change.kind == kind]
        selection += sorted(kind_changes, key=lambda change: change.loss_difference, reverse=kind != "gain")[:limit]
    order = {"regression": 0, "same": 1, "gain": 2}
    selection.sort(key=lambda change: (order[change.kind], -change.loss_difference))
    return Changes(selection, {kind: sum(change.kind == kind for change in changes) for kind in MAX_CHANGES})


def _get_item_key(score: ItemScore) -> ItemKey:
    return score.task, score.language, score.item


def _build_change(candidate: ItemScore, references: Sequence[ItemScore], records: Mapping[ItemKey, Record]) -> Change:
    if _get_item_key(candidate) not in records:
        raise ArtefactError(
            _(
                "item {item} of artifacts/evaluate/scores.jsonl is not in items.jsonl; run: dvc repro evaluate",
                item=candidate.item,
            )
        )
    record = records[_get_item_key(candidate)]
    correct = is_correct(candidate)
    lost_to = tuple(other.variant for other in references if correct is False and is_correct(other))
    won = correct is True and any(is_correct(other) is False for other in references)
    losses = [other.loss for other in references if other.loss is not None]
    return Change(
        kind="regression" if lost_to else "gain" if won else "same",
        lost_to=lost_to,
        loss_difference=0.0 if candidate.loss is None else candidate.loss - min(losses, default=candidate.loss),
        task=candidate.task,
        language=candidate.language,
        split=candidate.split,
        context="\n".join(
            [*([record.system] if record.system else []), *(f"{turn.role}: {turn.content}" for turn in record.turns)]
        ),
        instruction=record.instruction,
        input=record.input,
        reference=candidate.reference,
        answers=tuple(_build_answer(score) for score in (*references, candidate)),
    )


def _build_answer(score: ItemScore) -> VariantAnswer:
    return VariantAnswer(score.variant, score.prediction, score.answer, is_correct(score), score.loss)
