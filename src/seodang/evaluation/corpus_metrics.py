"""Metrics of a set of items that are no mean over items: macro F1 and correlations. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats


def compute_macro_f1(gold: Sequence[str], predictions: Sequence[str]) -> float:
    """Return the unweighted mean of the F1 of each label that occurs, 0 to 1.

    The result equals sklearn.metrics.f1_score(average="macro"), which lm-evaluation-harness uses for KoBEST.

    Raises:
        ValueError: If the lengths differ or both are empty.
    """
    _check_lengths(gold, predictions)
    pairs = list(zip(gold, predictions, strict=True))
    scores = []
    for label in dict.fromkeys((*gold, *predictions)):
        matches = sum(one == label == other for one, other in pairs)
        mentions = sum((one == label) + (other == label) for one, other in pairs)
        scores.append(2 * matches / mentions)
    return sum(scores) / len(scores)


def compute_spearman(gold: Sequence[float], predictions: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, -1 to 1; None where all values of one side are equal.

    Tied values share their mean rank. STS data report this metric (Ham et al. 2020). For a model that chooses between
    options, `predictions` are the log-odds of "같음", so the metric needs no threshold.

    Raises:
        ValueError: If the lengths differ or both are empty.
    """
    _check_lengths(gold, predictions)
    if len(set(gold)) == 1 or len(set(predictions)) == 1:
        return None
    return float(stats.spearmanr(gold, predictions).statistic)


def _check_lengths(first: Sequence[object], second: Sequence[object]) -> None:
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} values: the lengths must be equal and at least 1")
