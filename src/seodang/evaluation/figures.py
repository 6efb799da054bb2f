"""Figures of a task file's whole set of items: means in every metric that it names, agreement of labels and of grades. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from seodang.evaluation.agreement import macro_f1, spearman
from seodang.evaluation.summary import ItemScore, arms_of


def figures(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return a row for each task file, language and metric, with each arm's figure; None where an arm has none.

    Where items weigh by their size, the mean does: bits_per_byte by bytes, loss by tokens, and IFEval's share of instructions
    by instructions, as lm-evaluation-harness' bits_per_byte and inst_level_*_acc do. `perplexity` is exp of such a loss.
    """
    mine = [score for score in scores if score.split == "task"]
    arms = arms_of(mine)
    rows = []
    for task, language in sorted({(score.task, score.language) for score in mine}):
        of_arm = {arm: [score for score in mine if (score.arm, score.task, score.language) == (arm, task, language)] for arm in arms}
        found = {arm: _of(part) for arm, part in of_arm.items()}
        for metric in dict.fromkeys(name for values in found.values() for name in values):
            values = {arm: None if (value := found[arm].get(metric)) is None else round(value, 4) for arm in arms}
            rows.append({"task": task, "language": language, "metric": metric, "items": _counted(of_arm[arms[0]]), "arms": values})
    return rows


def _counted(scores: Sequence[ItemScore]) -> int:
    """Return how many items were answered; of options and texts all are."""
    return sum(score.answer is not None for score in scores) if scores[0].kind == "open" else len(scores)


def _of(scores: Sequence[ItemScore]) -> dict[str, float | None]:
    """Return the figures of one arm on one task."""
    names = dict.fromkeys((scores[0].headline, *(name for score in scores for name in score.others)))
    found: dict[str, float | None] = {name: _mean(scores, name) for name in names}
    if scores[0].kind == "text":
        loss = _mean(scores, "loss")
        found |= {"loss": loss, "perplexity": None if loss is None else math.exp(loss)}
    elif scores[0].kind == "choice":
        found["accuracy"] = _mean(scores, "accuracy")
    else:
        found["stopped"] = _mean(scores, "stopped")
    if labels := [score.labels for score in scores if score.labels is not None]:
        gold, chosen = zip(*labels, strict=True)
        found["macro_f1"] = macro_f1([str(place) for place in gold], [str(place) for place in chosen])
    if graded := [score.graded for score in scores if score.graded is not None]:
        found["spearman"] = spearman(*map(list, zip(*graded, strict=True)))
    return found


def _mean(scores: Iterable[ItemScore], metric: str) -> float | None:
    pairs = [
        (float(value), score.weights.get(metric, 1.0))
        for score in scores
        if (value := score.others[metric] if metric in score.others else getattr(score, metric, None)) is not None
    ]
    whole = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / whole if whole else None
