"""Thresholds: bounds of the candidate's mean, independent of other models. Pure."""

from __future__ import annotations

from dataclasses import replace

from scipy import stats

from seodang.config import GateParams, ThresholdParams
from seodang.gate import messages
from seodang.gate.exact_tests import is_binary
from seodang.gate.ledger import Reuse
from seodang.gate.messages import Reason
from seodang.gate.rules import Obstacle
from seodang.gate.scores import Pairs
from seodang.gate.shape import compute_shape_minimum
from seodang.gate.statistics import (
    MINIMUM_GROUPS,
    BootstrapResult,
    compute_paired_bootstrap,
    group_differences,
)


def check_threshold(threshold: ThresholdParams, selected: Pairs, gate: GateParams, reuse: Reuse) -> Reason:
    """Return the reason that states whether the interval of the candidate's mean lies within the bound.

    The threshold is met if the complete interval lies within it, and not met if the complete interval lies beyond it.
    It is undecided otherwise, and with too few items or independent groups. The confidence of the interval rises with
    each judgement on the same items.

    Args:
        threshold: Bound.
        selected: Items of the threshold.
        gate: Parameters.
        reuse: Earlier judgements on these items, and the level that they leave.
    """
    bound = threshold.minimum if threshold.minimum is not None else threshold.maximum
    assert bound is not None  # ThresholdParams guarantees it
    mean = _compute_mean(selected, bound, gate, reuse)
    is_minimum = threshold.minimum is not None
    is_within = mean.low >= bound if is_minimum else mean.high <= bound
    is_beyond = mean.high < bound if is_minimum else mean.low > bound
    passed = True if is_within else False if is_beyond else None
    obstacle = _find_obstacle(selected, gate, side=1 if is_minimum == is_within else -1)
    if reuse.is_used_up and not is_beyond:
        obstacle = "used_up"
    if obstacle:
        passed = None
    return messages.build_threshold_reason(threshold, passed, mean, selected, reuse.confidence, obstacle, gate)


def _compute_mean(selected: Pairs, bound: float, gate: GateParams, reuse: Reuse) -> BootstrapResult:
    """Return the mean with its interval.

    A bootstrap of scores that are all 1 has no spread. So the interval of binary scores also contains the exact one
    (Clopper and Pearson 1934, Biometrika 26:404-413). Its number of trials is that of groups of equal size that weigh
    as much.
    """
    mean = compute_paired_bootstrap(
        selected.candidate,
        margin=bound,
        seed=gate.seed,
        resamples=reuse.count_resamples(gate),
        confidence=reuse.confidence,
        groups=selected.group_names,
    )
    if not is_binary(selected.candidate):
        return mean
    trials = group_differences(selected.candidate, selected.group_names).effective_groups
    successes = mean.difference * trials
    low = stats.beta.ppf(reuse.tail, successes, trials - successes + 1) if successes > 0 else 0.0
    high = stats.beta.isf(reuse.tail, successes + 1, trials - successes) if successes < trials else 1.0
    return replace(mean, low=min(mean.low, float(low)), high=max(mean.high, float(high)))


def _find_obstacle(selected: Pairs, gate: GateParams, *, side: int) -> Obstacle | None:
    """Return why the interval cannot be trusted, if it cannot.

    Args:
        selected: Items of the threshold.
        gate: Minimum number of items.
        side: 1 for a decision that the mean is high, which a tail of low scores endangers; -1 for the opposite.
    """
    if len(selected) < gate.minimum_items:
        return "items"
    grouped = group_differences(selected.candidate, selected.group_names)
    if grouped.effective_groups < min(MINIMUM_GROUPS, len(selected)):
        return "groups"
    if is_binary(selected.candidate):
        return None  # the exact interval contains what a sample may have missed
    return "shape" if len(grouped) < compute_shape_minimum(grouped, side=side) else None
