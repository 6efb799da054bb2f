"""Figures of a task file's whole set of items: means in every metric that it names, agreement of labels and of grades. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.evaluation.aggregate import ItemScore, arms_of, value_of
from seodang.evaluation.corpus_metrics import macro_f1, spearman


def figures(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return a row for each task file, language and metric, with each arm's figure; None where an arm has none.

    Where items weigh by their size, the mean does: bits_per_byte by bytes, loss by tokens, and IFEval's share of instructions
    by instructions, as lm-evaluation-harness' bits_per_byte and inst_level_*_acc do. `perplexity` is exp of such a loss.
    """
    mine = [score for score in scores if score.split == "task"]
    arms = arms_of(mine)
    rows = []
    for task, language in sorted({(score.task, score.language) for score in mine}):
        found = {
            arm: _of([score for score in mine if (score.arm, score.task, score.language) == (arm, task, language)])
            for arm in arms
        }
        for metric in dict.fromkeys(name for values in found.values() for name in values):
            values = {
                arm: None if (value := found[arm].get(metric, _NONE).value) is None else round(value, 4) for arm in arms
            }
            rows.append(
                {
                    "task": task,
                    "language": language,
                    "metric": metric,
                    "items": max(found[arm].get(metric, _NONE).items for arm in arms),
                    "arms": values,
                }
            )
    return rows


@dataclass(frozen=True, slots=True)
class _Figure:
    """One arm's figure in one metric."""

    value: float | None
    items: int  # that have the metric


_NONE = _Figure(None, 0)


def _of(scores: Sequence[ItemScore]) -> dict[str, _Figure]:
    """Return the figures of one arm on one task."""
    first = scores[0]
    further = {"choice": ["accuracy"], "text": ["loss"], "open": ["stopped", *(["loss"] if first.reference else [])]}[
        first.kind
    ]
    names = dict.fromkeys((first.headline, *(name for score in scores for name in score.others), *further))
    found = {name: _mean(scores, name) for name in names}
    if first.kind == "text":
        loss = found["loss"]
        found["perplexity"] = _Figure(None if loss.value is None else math.exp(loss.value), loss.items)
    if labels := [score.labels for score in scores if score.labels is not None]:
        gold, chosen = zip(*labels, strict=True)
        found["macro_f1"] = _Figure(
            macro_f1([str(place) for place in gold], [str(place) for place in chosen]), len(labels)
        )
    if graded := [score.graded for score in scores if score.graded is not None]:
        found["spearman"] = _Figure(spearman(*map(list, zip(*graded, strict=True))), len(graded))
    return found


def _mean(scores: Iterable[ItemScore], metric: str) -> _Figure:
    pairs = [
        (float(value), score.weights.get(metric, 1.0))
        for score in scores
        if (value := value_of(score, metric)) is not None
    ]
    whole = sum(weight for _, weight in pairs)
    return _Figure(sum(value * weight for value, weight in pairs) / whole if whole else None, len(pairs))
