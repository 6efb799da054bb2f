"""What a study found: scores of each way of using a model on each group of tasks, against the base's best prompt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seodang.config.study import StudyParams
from seodang.evaluation.aggregate import ItemScore, headline, mean
from seodang.gate.statistics import Floats, holm, paired_bootstrap

Group = Literal["seen", "unseen", "held_out"]
GROUPS: tuple[Group, ...] = ("seen", "unseen", "held_out")
WAYS = ("zero_shot", "few_shot", "single", "many")
"""The base with its best prompt without and with exemplars; tuned on the one task; tuned on many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One way on one group of tasks."""

    group: Group
    way: str
    arm: str  # the prompt that was best, or the way itself
    items: int
    score: float  # mean of the tasks' headlines: accuracy, or exact answers where there are no options
    low: float
    high: float
    difference: float | None  # to the base's best prompt; None for that itself
    difference_low: float | None
    difference_high: float | None
    p: float | None  # two-sided, of no difference, corrected for the number of comparisons (Holm)
    prompt_tokens: float  # mean of a request


def cells(scores: Sequence[ItemScore], groups: Mapping[Group, Sequence[str]], study: StudyParams) -> list[Cell]:
    """Return every way on every group of tasks.

    The base's best prompt is chosen on the very items that are compared, which favours the base.

    Args:
        scores: Of arms whose names begin with a way.
        groups: The tasks of each group; a group of which no task was asked is left out.
        study: Seed, resamples and confidence.
    """
    found = []
    for group, tasks in groups.items():
        by_arm = _by_arm([score for score in scores if score.task in tasks])
        if not by_arm:
            continue
        best = {
            way: max(arms, key=lambda arm: float(by_arm[arm][0].mean()))
            for way in WAYS
            if (arms := [arm for arm in by_arm if arm.partition("/")[0] == way])
        }
        base = max((best[way] for way in WAYS[:2] if way in best), key=lambda arm: float(by_arm[arm][0].mean()))
        found += [_cell(group, way, arm, by_arm, base, study) for way, arm in best.items()]
    compared = [cell for cell in found if cell.p is not None]
    corrected = dict(zip(map(id, compared), holm([cell.p for cell in compared if cell.p is not None]), strict=True))
    return [replace(cell, p=corrected.get(id(cell))) for cell in found]


def _by_arm(scores: Sequence[ItemScore]) -> dict[str, tuple[Floats, float]]:
    """Return each arm's scores, items in one order, and its tokens a request."""
    arms = dict.fromkeys(score.arm for score in scores)
    result = {}
    for arm in arms:
        mine = sorted(
            (score for score in scores if score.arm == arm and headline(score) is not None),
            key=lambda score: (score.task, score.language, score.item),
        )
        if mine:
            result[arm] = (
                np.array([headline(score) for score in mine], dtype=np.float64),
                mean(score.prompt_tokens for score in mine) or 0.0,
            )
    return result


def _cell(
    group: Group, way: str, arm: str, by_arm: Mapping[str, tuple[Floats, float]], base: str, study: StudyParams
) -> Cell:
    settings = {"margin": 0.0, "seed": study.seed, "resamples": study.resamples, "confidence": study.confidence}
    values, tokens = by_arm[arm]
    alone = paired_bootstrap(values, **settings)  # type: ignore[arg-type]
    against = None if arm == base else paired_bootstrap(values - by_arm[base][0], **settings)  # type: ignore[arg-type]
    return Cell(
        group=group,
        way=way,
        arm=arm,
        items=len(values),
        score=alone.difference,
        low=max(0.0, alone.low),
        high=min(1.0, alone.high),
        difference=None if against is None else against.difference,
        difference_low=None if against is None else against.low,
        difference_high=None if against is None else against.high,
        p=None if against is None else against.p,
        prompt_tokens=tokens,
    )
