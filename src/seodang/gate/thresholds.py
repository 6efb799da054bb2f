"""Thresholds: bounds of the candidate's mean, whatever the other models reach. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from seodang.config import GateParams, ThresholdParams
from seodang.gate import messages
from seodang.gate.ledger import RESAMPLES_IN_TAIL, Judgement, find_reuse
from seodang.gate.messages import Reason
from seodang.gate.scores import Pairs
from seodang.gate.statistics import compute_paired_bootstrap


def check_threshold(
    threshold: ThresholdParams, pairs: Mapping[str, Pairs], gate: GateParams, ledger: Sequence[Judgement] = ()
) -> Reason:
    """Return whether the interval of the candidate's mean lies within the bound.

    The threshold is met if the complete interval lies within it, not met if the complete interval lies beyond it, and
    undecided otherwise or with fewer items than `minimum_items`. The confidence of the interval rises with each judgement
    on the same items.
    """
    selected = pairs[threshold.metric].select(tasks=threshold.tasks)
    bound = threshold.minimum if threshold.minimum is not None else threshold.maximum
    assert bound is not None  # ThresholdParams guarantees it
    reuse = find_reuse(selected, threshold.metric, ledger, gate)
    mean = compute_paired_bootstrap(
        selected.candidate,
        margin=bound,
        seed=gate.seed,
        resamples=max(gate.resamples, math.ceil(RESAMPLES_IN_TAIL / reuse.tail)),
        confidence=reuse.confidence,
        groups=selected.group_names,
    )
    passed: bool | None = None
    if len(selected) >= gate.minimum_items:
        is_minimum = threshold.minimum is not None
        is_within = mean.low >= bound if is_minimum else mean.high <= bound
        is_beyond = mean.high < bound if is_minimum else mean.low > bound
        passed = True if is_within and not reuse.is_used_up else False if is_beyond else None
    return messages.build_threshold_reason(threshold, passed, mean, len(selected), reuse.confidence, gate)
