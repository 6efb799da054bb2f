"""Figures of a set of items that are no mean over items: agreement of labels and of grades. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def compute_macro_f1(gold: Sequence[str], predictions: Sequence[str]) -> float:
    """Return the mean over the labels of their F1, 0 to 1: labels that occur in either, each counting the same.

    As sklearn.metrics.f1_score(average="macro"), which lm-evaluation-harness takes for KoBEST.

    Raises:
        ValueError: If the two are of different lengths, or empty.
    """
    _check_lengths(gold, predictions)
    pairs = list(zip(gold, predictions, strict=True))
    scores = []
    for label in dict.fromkeys((*gold, *predictions)):
        matches = sum(one == label == other for one, other in pairs)
        mentions = sum((one == label) + (other == label) for one, other in pairs)
        scores.append(2 * matches / mentions)
    return sum(scores) / len(scores)


def compute_pearson(gold: Sequence[float], predictions: Sequence[float]) -> float | None:
    """Return Pearson's correlation, -1 to 1; None where all values of one side are the same.

    Raises:
        ValueError: As macro_f1.
    """
    _check_lengths(gold, predictions)
    if len(set(gold)) < 2 or len(set(predictions)) < 2:
        return None
    return float(np.corrcoef(gold, predictions)[0, 1])


def compute_spearman(gold: Sequence[float], predictions: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, ties at their mean rank, the figure of STS data (Ham et al. 2020); else as pearson.

    Of a model that chooses, `predicted` are the log-odds of "같음": no threshold is needed then.
    """
    _check_lengths(gold, predictions)
    return compute_pearson(stats.rankdata(gold).tolist(), stats.rankdata(predictions).tolist())


def _check_lengths(first: Sequence[object], second: Sequence[object]) -> None:
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} values: they must be as many, and one at least")
