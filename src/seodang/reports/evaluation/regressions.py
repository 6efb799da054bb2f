"""Single items on which the candidate does otherwise than its references, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.errors import ArtefactError
from seodang.evaluation.aggregate import ItemScore, is_right
from seodang.records import Record
from seodang.reports.evaluation.comparison import TaskKey, key_of

Kind = Literal["regression", "gain", "same"]
ItemKey = tuple[str, str, str]  # task, language, id
SHOWN: Final[Mapping[Kind, int]] = {"regression": 200, "gain": 60, "same": 60}
"""Items of each kind that the page shows at the most."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one arm did on an item."""

    arm: str
    predicted: str | None
    answer: str | None
    right: bool | None  # None: neither a label nor a free answer was asked for
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
    before: str  # system text and earlier turns
    instruction: str
    input: str
    reference: str
    sides: tuple[Side, ...]  # the references, the candidate last


@dataclass(frozen=True, slots=True)
class Changes:
    """The items that are shown, and how many there are."""

    shown: list[Change]
    totals: Mapping[Kind, int]

    @property
    def shown_of(self) -> dict[Kind, int]:
        """Return how many of each kind are shown."""
        return {kind: sum(change.kind == kind for change in self.shown) for kind in SHOWN}


def changes_of(
    scores: Sequence[ItemScore],
    records: Mapping[ItemKey, Record],
    candidate: str,
    best: Mapping[TaskKey, str],
    others: Sequence[str],
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
    found_by = {(score.arm, _key(score)): score for score in scores}
    found = []
    for score in (score for score in scores if score.arm == candidate):
        references = [
            found_by[arm, _key(score)]
            for arm in (best.get(key_of(score), ""), *others)
            if (arm, _key(score)) in found_by
        ]
        found.append(_change(score, references, records))
    kept: list[Change] = []
    for kind, most in SHOWN.items():
        mine = [change for change in found if change.kind == kind]
        kept += sorted(mine, key=lambda change: change.loss_difference, reverse=kind != "gain")[:most]
    order = {"regression": 0, "same": 1, "gain": 2}
    kept.sort(key=lambda change: (order[change.kind], -change.loss_difference))
    return Changes(kept, {kind: sum(change.kind == kind for change in found) for kind in SHOWN})


def _key(score: ItemScore) -> ItemKey:
    return score.task, score.language, score.item


def _change(mine: ItemScore, others: Sequence[ItemScore], records: Mapping[ItemKey, Record]) -> Change:
    if _key(mine) not in records:
        raise ArtefactError(f"item {mine.item} of the scores is not among the items; run: dvc repro evaluate")
    record = records[_key(mine)]
    right = is_right(mine)
    lost_to = tuple(other.arm for other in others if right is False and is_right(other))
    won = right is True and any(is_right(other) is False for other in others)
    losses = [other.loss for other in others if other.loss is not None]
    return Change(
        kind="regression" if lost_to else "gain" if won else "same",
        lost_to=lost_to,
        loss_difference=0.0 if mine.loss is None else mine.loss - min(losses, default=mine.loss),
        task=mine.task,
        language=mine.language,
        split=mine.split,
        before="\n".join(
            [*([record.system] if record.system else []), *(f"{turn.role}: {turn.content}" for turn in record.turns)]
        ),
        instruction=record.instruction,
        input=record.input,
        reference=mine.reference,
        sides=tuple(_side(score) for score in (*others, mine)),
    )


def _side(score: ItemScore) -> Side:
    return Side(score.arm, score.predicted, score.answer, is_right(score), score.loss)
