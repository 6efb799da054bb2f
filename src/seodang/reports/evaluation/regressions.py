"""Single items on which the candidate does otherwise than its references, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.errors import ArtefactError
from seodang.evaluation.aggregate import ItemScore, is_correct
from seodang.records import Record
from seodang.reports.evaluation.comparison import TaskKey, get_task_key

Kind = Literal["regression", "gain", "same"]
ItemKey = tuple[str, str, str]  # task, language, id
MAX_CHANGES: Final[Mapping[Kind, int]] = {"regression": 200, "gain": 60, "same": 60}
"""Items of each kind that the page shows at the most."""


@dataclass(frozen=True, slots=True)
class VariantAnswer:
    """What one arm did on an item."""

    variant: str
    prediction: str | None
    answer: str | None
    is_correct: bool | None  # None: neither a label nor a free answer was asked for
    loss: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """One item with what each arm did on it."""

    kind: Kind
    lost_to: tuple[str, ...]  # references that were right where the candidate is wrong
    loss_difference: float  # candidate minus the best reference; 0 where none was found
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
    """The items that are shown, and how many there are."""

    selection: list[Change]
    totals: Mapping[Kind, int]

    @property
    def selection_counts(self) -> dict[Kind, int]:
        """Return how many of each kind are shown."""
        return {kind: sum(change.kind == kind for change in self.selection) for kind in MAX_CHANGES}


def find_changes(
    scores: Sequence[ItemScore],
    records: Mapping[ItemKey, Record],
    candidate: str,
    best: Mapping[TaskKey, str],
    other_variants: Sequence[str],
) -> Changes:
    """Return regressions, then what stayed, then gains; of each the items first whose loss rose most.

    A regression is an item that a reference had right and the candidate has wrong; a gain is one that the candidate has right and a reference wrong.
    Where a kind has more items than are shown, those stay whose loss changed most.

    Args:
        scores: Of all arms.
        records: Of all items.
        candidate: The arm that is judged.
        best: The base's arm that it is held against, of each task.
        others: Further arms that it is held against.

    Raises:
        ArtefactError: If an item's record is missing.
    """
    scores_by_key = {(score.variant, _get_item_key(score)): score for score in scores}
    changes = []
    for score in (score for score in scores if score.variant == candidate):
        references = [
            scores_by_key[arm, _get_item_key(score)]
            for arm in (best.get(get_task_key(score), ""), *other_variants)
            if (arm, _get_item_key(score)) in scores_by_key
        ]
        changes.append(_build_change(score, references, records))
    selection: list[Change] = []
    for kind, most in MAX_CHANGES.items():
        kind_changes = [change for change in changes if change.kind == kind]
        selection += sorted(kind_changes, key=lambda change: change.loss_difference, reverse=kind != "gain")[:most]
    order = {"regression": 0, "same": 1, "gain": 2}
    selection.sort(key=lambda change: (order[change.kind], -change.loss_difference))
    return Changes(selection, {kind: sum(change.kind == kind for change in changes) for kind in MAX_CHANGES})


def _get_item_key(score: ItemScore) -> ItemKey:
    return score.task, score.language, score.item


def _build_change(candidate: ItemScore, references: Sequence[ItemScore], records: Mapping[ItemKey, Record]) -> Change:
    if _get_item_key(candidate) not in records:
        raise ArtefactError(f"item {candidate.item} of the scores is not among the items; run: dvc repro evaluate")
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
