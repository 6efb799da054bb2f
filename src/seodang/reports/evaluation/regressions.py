"""Items on which the candidate and its references differ, the largest regressions first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from seodang.errors import ArtifactError
from seodang.evaluation.aggregate import ItemScore, get_score, is_correct
from seodang.i18n import _
from seodang.metric_registry import get_direction, list_kind_metrics
from seodang.records import Record
from seodang.reports.evaluation.comparison import TaskKey, get_task_key

Kind = Literal["regression", "gain", "same"]
ItemKey = tuple[str, str, str]  # task, language, id
RuleScope = tuple[str, Sequence[str]]  # metric of a rule, and its tasks; no task: all
_LOSSES: Final = frozenset(list_kind_metrics("perplexity"))
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
    score: float | None  # in the metric of the change
    findings: Sequence[Mapping[str, Any]] = ()  # as in ItemScore


@dataclass(frozen=True, slots=True)
class Change:
    """One item with the answers of the candidate and its references."""

    kind: Kind
    metric: str
    """The rules' metric by which the item is compared."""
    lost_to: tuple[str, ...]
    """References that are better than the candidate in this metric."""
    gain: float
    """How much better the candidate is than the best reference; negative where it is worse, 0 without a score."""
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
    rules: Sequence[RuleScope],
) -> Changes:
    """Return regressions, unchanged items and gains, each sorted by the metric of the rules, then by the loss.

    A regression is an item on which a reference is better than the candidate in the metric of the rules; a gain is the
    reverse. With a binary metric the reference is correct and the candidate is not. Where a kind exceeds its limit, the
    items with the largest change remain.

    Args:
        scores: Of all variants.
        records: Of all items.
        candidate: Variant that is compared.
        best: The base's variant that it is compared with, by task.
        other_variants: Further variants that it is compared with.
        rules: An item is compared by the metric of the first rule about its task, else by its primary metric.

    Raises:
        ArtifactError: If an item's record is missing.
    """
    scores_by_key = {(score.variant, _get_item_key(score)): score for score in scores}
    changes = []
    for score in (score for score in scores if score.variant == candidate):
        references = [
            scores_by_key[variant, _get_item_key(score)]
            for variant in (best.get(get_task_key(score), ""), *other_variants)
            if (variant, _get_item_key(score)) in scores_by_key
        ]
        changes.append(_build_change(score, references, records, _select_metric(score, rules)))
    selection: list[Change] = []
    for kind, limit in MAX_CHANGES.items():
        kind_changes = sorted((change for change in changes if change.kind == kind), key=_get_size, reverse=True)
        selection += kind_changes[:limit]
    order = {"regression": 0, "same": 1, "gain": 2}
    selection.sort(key=lambda change: (order[change.kind], -abs(change.gain), -change.loss_difference))
    return Changes(selection, {kind: sum(change.kind == kind for change in changes) for kind in MAX_CHANGES})


def _get_size(change: Change) -> tuple[float, float]:
    """Return how large a change is: by the metric, then by the loss."""
    return abs(change.gain), -change.loss_difference if change.kind == "gain" else change.loss_difference


def _select_metric(score: ItemScore, rules: Sequence[RuleScope]) -> str:
    """Return the metric by which an item is compared.

    A rule about the loss bounds a mean. The loss of almost every item differs a little, so it compares items only where
    it is their primary metric.
    """
    metrics = [metric for metric, tasks in rules if not tasks or score.task in tasks]
    usable = [name for name in metrics if name not in _LOSSES and get_score(score, name) is not None]
    return usable[0] if usable else score.primary_metric


def _get_item_key(score: ItemScore) -> ItemKey:
    return score.task, score.language, score.item


def _build_change(
    candidate: ItemScore, references: Sequence[ItemScore], records: Mapping[ItemKey, Record], metric: str
) -> Change:
    if _get_item_key(candidate) not in records:
        raise ArtifactError(
            _(
                "item {item} of artifacts/evaluate/scores.jsonl is not in items.jsonl; run: dvc repro evaluate",
                item=candidate.item,
            )
        )
    record = records[_get_item_key(candidate)]
    gains = {
        other.variant: gain for other in references if (gain := _compute_gain(candidate, other, metric)) is not None
    }
    lost_to = tuple(variant for variant, gain in gains.items() if gain < 0)
    won = any(gain > 0 for gain in gains.values())
    losses = [other.loss for other in references if other.loss is not None]
    return Change(
        kind="regression" if lost_to else "gain" if won else "same",
        metric=metric,
        lost_to=lost_to,
        gain=min(gains.values(), default=0.0) if lost_to else max(gains.values(), default=0.0),
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
        answers=tuple(_build_answer(score, metric) for score in (*references, candidate)),
    )


def _compute_gain(candidate: ItemScore, reference: ItemScore, metric: str) -> float | None:
    """Return how much better the candidate's score is; None without both scores."""
    values = get_score(candidate, metric), get_score(reference, metric)
    if values[0] is None or values[1] is None:
        return None
    difference = float(values[0]) - float(values[1])
    return -difference if get_direction(metric) is False else difference


def _build_answer(score: ItemScore, metric: str) -> VariantAnswer:
    value = get_score(score, metric)
    return VariantAnswer(
        score.variant,
        score.prediction,
        score.answer,
        is_correct(score),
        score.loss,
        None if value is None else float(value),
        score.findings,
    )
