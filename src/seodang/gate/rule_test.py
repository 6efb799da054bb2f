"""One test of a rule: the statistics of one group of items against one reference. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seodang.config import GateParams, RuleParams
from seodang.gate.exact_tests import compute_paired_p, compute_tango_p, is_binary
from seodang.gate.inheritance import compute_inherited_p
from seodang.gate.judgement import ItemKey
from seodang.gate.ledger import Reuse
from seodang.gate.power import Effect
from seodang.gate.rules import RULE_KINDS, RuleResult
from seodang.gate.scores import Pairs
from seodang.gate.statistics import (
    BootstrapResult,
    GroupedDifferences,
    compute_paired_bootstrap,
    group_differences,
)
from seodang.metric_registry import get_range

_TOLERANCE = 1e-12  # standard error of equal differences


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A rule on one group of items against one reference, with what its outcome depends on."""

    result: RuleResult
    grouped: GroupedDifferences
    group_names: tuple[str, ...]
    """Of each entry of `grouped`."""
    value_range: float
    """Largest minus smallest score."""
    is_binary: bool
    """All scores are 0 or 1."""
    plain: BootstrapResult
    """With the interval of a first judgement, which a rejection needs."""
    reuse: Reuse
    name: str
    """Equals that of the same test of other candidates."""
    keys: frozenset[ItemKey]

    @property
    def distance(self) -> float:
        """Return the mean difference less the bound."""
        return self.result.difference - self.result.bound

    @property
    def t(self) -> float:
        """Return Student's t of the distance; 0.0 with a single group, whose error is not known."""
        return self.distance / max(self.grouped.standard_error, _TOLERANCE)

    def build_effect(self, significance: float) -> Effect:
        """Return what the power of the test depends on."""
        influence = self.grouped.residuals / self.grouped.sizes.sum()
        return Effect(
            self.distance,
            self.grouped.standard_error if len(self.grouped) > 1 else 0.0,
            dict(zip(self.group_names, influence.tolist(), strict=True)),
            significance,
        )


@dataclass(frozen=True, slots=True)
class _Statistics:
    grouped: GroupedDifferences
    bootstrap: BootstrapResult
    plain: BootstrapResult
    p_exact: float | None

    @property
    def p(self) -> float:
        """Return the larger of both p-values, which holds the level of either test."""
        return self.bootstrap.p if self.p_exact is None else max(self.bootstrap.p, self.p_exact)

    @property
    def interval(self) -> tuple[float, float] | tuple[None, None]:
        """Return the interval of this judgement; one group of items has none."""
        return (self.bootstrap.low, self.bootstrap.high) if len(self.grouped) > 1 else (None, None)


def run_test(
    rule_index: int,
    rule: RuleParams,
    against: str,
    group: str,
    pairs: Pairs,
    gate: GateParams,
    *,
    name: str,
    reuse: Reuse,
) -> RuleTest:
    """Return the statistics of one test; its outcome is open.

    Args:
        rule_index: Among the rules.
        against: Name of the reference.
        group: Language or task of a rule with `group_by`, else empty.
        pairs: Scores of both models.
        gate: Seed, confidence and number of resamples.
        name: Of the test.
        reuse: Earlier judgements on these items, and the level that they leave.
    """
    statistics = _compute_statistics(rule, pairs, gate, reuse)
    low, high = _clip_interval(statistics.interval, rule.metric)
    result = RuleResult(
        rule=rule_index,
        against=against,
        test=rule.test,
        metric=rule.metric,
        tasks=tuple(rule.tasks),
        group=group,
        margin=rule.margin,
        items=len(pairs),
        independent_groups=len(statistics.grouped),
        judgement=reuse.number,
        confidence=reuse.confidence,
        candidate=float(pairs.candidate.mean()),
        reference=float(pairs.reference.mean()),
        difference=statistics.bootstrap.difference,
        low=low,
        high=high,
        p=statistics.p,
        p_exact=statistics.p_exact,
        p_holm=statistics.p,
        p_inherited=_compute_inherited_p(name, rule, pairs, reuse),
        required_items=None,
        obstacle=None,
        passed=None,
    )
    return _build_test(result, statistics, pairs, name, reuse)


def _clip_interval(interval: tuple[float | None, float | None], metric: str) -> tuple[float | None, float | None]:
    """Return the interval within the differences that are possible; that of two items may exceed them by far."""
    low, high = interval
    least, most = get_range(metric)
    if low is None or high is None or not math.isfinite(most - least):
        return low, high
    return max(low, least - most), min(high, most - least)


def _build_test(result: RuleResult, statistics: _Statistics, pairs: Pairs, name: str, reuse: Reuse) -> RuleTest:
    return RuleTest(
        result=result,
        grouped=statistics.grouped,
        group_names=tuple(dict.fromkeys(pairs.group_names)),
        value_range=_compute_range(pairs),
        is_binary=is_binary(pairs.candidate, pairs.reference),
        plain=statistics.plain,
        reuse=reuse,
        name=name,
        keys=frozenset(pairs.keys),
    )


def _compute_statistics(rule: RuleParams, pairs: Pairs, gate: GateParams, reuse: Reuse) -> _Statistics:
    differences, groups = _compute_differences(rule, pairs), pairs.group_names
    bootstrap, plain = _compute_bootstraps(differences, groups, _compute_bound(rule), gate, reuse)
    p_exact = _compute_exact_p(pairs, groups, rule, seed=gate.seed, resamples=reuse.count_resamples(gate))
    return _Statistics(group_differences(differences, groups), bootstrap, plain, p_exact)


def _compute_differences(rule: RuleParams, pairs: Pairs) -> NDArray[np.float64]:
    """Return candidate minus reference of each item; more is better."""
    return rule.sign * (pairs.candidate - pairs.reference)


def _compute_bound(rule: RuleParams) -> float:
    return RULE_KINDS[rule.test].compute_bound(rule.margin)


def _compute_bootstraps(
    differences: NDArray[np.float64], groups: Sequence[str], bound: float, gate: GateParams, reuse: Reuse
) -> tuple[BootstrapResult, BootstrapResult]:
    """Return the bootstraps with the confidence of this judgement and of a first one, which decides a rejection."""
    compute = partial(compute_paired_bootstrap, differences, margin=bound, seed=gate.seed, groups=groups)
    bootstrap = compute(confidence=reuse.confidence, resamples=reuse.count_resamples(gate))
    if reuse.number == 1:
        return bootstrap, bootstrap
    return bootstrap, compute(confidence=gate.confidence, resamples=gate.resamples)


def _compute_range(pairs: Pairs) -> float:
    """Return the largest less the smallest score of both models."""
    scores = np.concatenate([pairs.candidate, pairs.reference])
    return float(scores.max() - scores.min())


def _compute_inherited_p(name: str, rule: RuleParams, pairs: Pairs, reuse: Reuse) -> float | None:
    """Return the p-value of the part that earlier candidates do not explain; None where the rule does not need it.

    Earlier candidates that met the same test were better by more than luck, so their part may be inherited. A
    non-inferiority rule passes equal models by design, so it does not need an improvement beyond the earlier ones.
    """
    unproven = [judgement for judgement in reuse.predecessors if name not in judgement.met]
    if rule.test != "superiority" or not unproven:
        return None
    bound = _compute_bound(rule)
    earlier = [
        np.nan_to_num(
            rule.sign * (judgement.list_scores(rule.metric, pairs.keys, pairs.contents) - pairs.reference), nan=bound
        )
        for judgement in unproven
    ]
    return compute_inherited_p(_compute_differences(rule, pairs), earlier, bound=bound, groups=pairs.group_names)


def _compute_exact_p(
    pairs: Pairs, groups: Sequence[str], rule: RuleParams, *, seed: int, resamples: int
) -> float | None:
    """Return the p-value of binary scores; None where there is no such test."""
    bound = _compute_bound(rule)
    if not is_binary(pairs.candidate, pairs.reference):
        return None
    if not bound:
        return compute_paired_p(pairs.candidate, pairs.reference, seed=seed, resamples=resamples, groups=groups)
    return compute_tango_p(rule.sign * pairs.candidate, rule.sign * pairs.reference, margin=bound, groups=groups)
