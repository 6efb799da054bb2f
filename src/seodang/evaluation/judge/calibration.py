"""Calibration of a judge: how far its verdicts agree with human labels, and what biases it has."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from seodang.evaluation.judge.agreement import (
    CATEGORIES,
    build_cells,
    build_coincidences,
    drop_unknown,
    make_alpha,
    make_kappa,
)
from seodang.evaluation.judge.biases import measure_length_bias, measure_position_bias, measure_self_preference
from seodang.evaluation.judge.endpoint import Endpoint
from seodang.evaluation.judge.labels import HumanLabels, LabelledPair, read_labels
from seodang.evaluation.judge.resampling import Estimate, estimate, estimate_share
from seodang.evaluation.judge.verdicts import (
    PairVerdict,
    collect_verdicts,
    compute_judge_fingerprint,
    list_models,
)
from seodang.io.jsonl import write_json

REPORT_NAME: Final = "calibration.json"
_PRECISION: Final = 0.1  # half-width of the interval of kappa that `required_pairs` is for
_TYPICAL_AGREEMENT: Final = 2 / 3  # assumed for `required_pairs` where the labels are too few to tell
_Z: Final = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of the judge with people over some pairs."""

    pairs: int
    groups: int
    """Independent groups of pairs."""
    share: Estimate
    """Of pairs with the same verdict; a pair without a verdict of the judge disagrees."""
    kappa: Estimate
    """Cohen's kappa, with "no verdict" as a category of its own."""
    kappa_quadratic: Estimate
    """Over the pairs with a verdict; a tie is half a disagreement and counts a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Agreement among people, over the pairs with several ratings; a judge cannot be expected to exceed it."""

    pairs: int
    raters: int
    share: float
    """Of two ratings of a pair that are the same."""
    alpha: Estimate
    """Krippendorff's alpha of the preferences, nominal."""
    judge_share: float
    """Of single ratings that the judge agrees with, over the same pairs."""
    marks_alpha: Estimate | None
    """Krippendorff's alpha of the marks, interval; None for preferences."""


def calibrate(labels_file: Path, folder: Path, endpoint: Endpoint) -> dict[str, Any]:
    """Judge the labelled pairs in both orders, write calibration.json and return its content.

    Args:
        labels_file: As read_labels takes it.
        folder: Receives calibration.json, and judged.jsonl with every reply.
        endpoint: The judge.

    Raises:
        EvaluationError: If the labels have errors, or the endpoint refuses the requests.
        JudgeUnreachable: If it does not answer; the next run resumes.
    """
    labels = read_labels(labels_file)
    verdicts = collect_verdicts([pair.pair for pair in labels.pairs], endpoint, folder)
    report = build_report(labels, verdicts, endpoint)
    write_json(folder / REPORT_NAME, report)
    return report


def build_report(labels: HumanLabels, verdicts: Sequence[PairVerdict], endpoint: Endpoint) -> dict[str, Any]:
    """Return the content of calibration.json."""
    pairs = labels.pairs
    people = [pair.label for pair in pairs]
    judge = [verdict.score for verdict in verdicts]
    groups = [pair.group for pair in pairs]
    models = list_models(verdicts)
    agreement = _measure_agreement(people, judge, groups)
    lengths = [(len(pair.pair[0].answer), len(pair.pair[1].answer)) for pair in pairs]
    own = measure_self_preference([pair.models for pair in pairs], [endpoint.model, *models], judge, people, groups)
    ceiling = _measure_ceiling(labels, judge)
    return {
        "judge": {"model": endpoint.model, "models": models, "fingerprint": compute_judge_fingerprint(endpoint)},
        "labels": {
            "sha256": labels.checksum,
            "pairs": len(pairs),
            "questions": len(set(groups)),
            "raters": labels.raters,
            "rows_without_label": labels.unlabelled,
        },
        "agreement": asdict(agreement),
        "confusion": _count_confusion(people, judge),
        "without_verdict": dict(Counter(failure for verdict in verdicts for failure in verdict.failures[:1])),
        "position": asdict(measure_position_bias(verdicts, groups)),
        "length": asdict(measure_length_bias(lengths, judge, people, groups)),
        "self_preference": asdict(own) if own else None,
        "people": asdict(ceiling) if ceiling else None,
        "languages": _measure_languages(pairs, judge),
        "required_pairs": {"half_width": _PRECISION, "pairs": compute_required_pairs(agreement)},
    }


def _measure_agreement(people: Sequence[float], judge: Sequence[float | None], groups: Sequence[str]) -> Agreement:
    cells = build_cells(people, judge)
    size = len(CATEGORIES)
    same = cells.reshape(len(cells), size, size).trace(axis1=1, axis2=2)
    share = estimate_share(same, groups)
    if len(set(people)) > 1:
        kappa = _widen(estimate(cells, groups, make_kappa("none", size)), share)
        quadratic = estimate(drop_unknown(cells), groups, make_kappa("quadratic", size - 1))
    else:  # by chance alone, a judge agrees as much: kappa says nothing
        kappa = quadratic = Estimate(None, None, None)
    return Agreement(pairs=len(people), groups=len(set(groups)), share=share, kappa=kappa, kappa_quadratic=quadratic)


def _widen(kappa: Estimate, share: Estimate) -> Estimate:
    """Return kappa with the interval of the agreement where every pair agrees, so that resamples show no variation.

    Two equally frequent verdicts agree by chance in half of the pairs, so kappa falls twice as fast as the agreement.
    """
    if kappa.low is not None or share.low is None:
        return kappa
    if kappa.value == 1.0:
        return Estimate(1.0, 1 - 2 * (1 - share.low), 1.0)
    return Estimate(0.0, 0.0, 0.0) if kappa.value == 0.0 else kappa  # a judge with one verdict for all has no agreement


def _count_confusion(people: Sequence[float], judge: Sequence[float | None]) -> dict[str, dict[str, int]]:
    """Return counts by verdict of people, then by verdict of the judge."""
    size = len(CATEGORIES)
    table = build_cells(people, judge).sum(axis=0).reshape(size, size)
    return {
        row: {column: int(table[index, place]) for place, column in enumerate(CATEGORIES)}
        for index, row in enumerate(CATEGORIES[:-1])
    }


def _measure_languages(pairs: Sequence[LabelledPair], judge: Sequence[float | None]) -> dict[str, dict[str, Any]]:
    languages = {}
    for language in sorted({pair.pair[0].language for pair in pairs}):
        chosen = [index for index, pair in enumerate(pairs) if pair.pair[0].language == language]
        languages[language] = asdict(
            _measure_agreement(
                [pairs[index].label for index in chosen],
                [judge[index] for index in chosen],
                [pairs[index].group for index in chosen],
            )
        )
    return languages


def _measure_ceiling(labels: HumanLabels, judge: Sequence[float | None]) -> Ceiling | None:
    """Return the agreement among people; None if no pair has two ratings."""
    several = [(pair, verdict) for pair, verdict in zip(labels.pairs, judge, strict=True) if len(pair.ratings) > 1]
    if not several:
        return None
    same = [one == other for pair, _verdict in several for one, other in combinations(pair.ratings, 2)]
    with_judge = [rating == _round(verdict) for pair, verdict in several for rating in pair.ratings]
    values = (0.0, 0.5, 1.0)
    coincidences = build_coincidences([pair.ratings for pair, _verdict in several], values)
    return Ceiling(
        pairs=len(several),
        raters=labels.raters,
        share=float(np.mean(same)),
        alpha=estimate(coincidences, [pair.group for pair, _verdict in several], make_alpha(values, "nominal")),
        judge_share=float(np.mean(with_judge)),
        marks_alpha=_measure_marks(labels),
    )


def _measure_marks(labels: HumanLabels) -> Estimate | None:
    if not labels.marks:
        return None
    values = sorted({mark for marks in labels.marks for mark in marks})
    return estimate(build_coincidences(labels.marks, values), labels.mark_groups, make_alpha(values, "interval"))


def _round(score: float | None) -> float | None:
    """Return the verdict that a mean of two orders stands for."""
    return None if score is None else 1.0 if score > 0.5 else 0.5 if score == 0.5 else 0.0


def compute_required_pairs(agreement: Agreement) -> int:
    """Return about how many pairs give kappa an interval of 0.1 to either side.

    The width of an interval falls with the square root of the pairs. Without an interval, the large-sample variance of
    kappa at two thirds agreement and three equally frequent verdicts is used (Cohen 1960).
    """
    kappa = agreement.kappa
    if kappa.low is not None and kappa.high is not None:
        return math.ceil(agreement.pairs * ((kappa.high - kappa.low) / 2 / _PRECISION) ** 2)
    by_chance = 1 / 3
    variance = _TYPICAL_AGREEMENT * (1 - _TYPICAL_AGREEMENT) / (1 - by_chance) ** 2
    return math.ceil(_Z**2 * variance / _PRECISION**2)
