"""Judgements of earlier candidates on the same items, and the level that is left for the next one. Pure.

A promotion is an error if the candidate is not truly better. Judging one candidate after another on the same items gives
that error more chances, so the chances share a budget of 1 - confidence: the first judgement has one half, and later
ones have shares of the other half that fall as 1 / number. The sum bounds the probability of any wrong promotion
under any dependence between candidates (alpha spending: Foster and Stine 2008, Journal of the Royal Statistical
Society B 70:429-444; Bonferroni's inequality).

The bound needs one more condition where a candidate is derived from the scores of earlier ones: it must not be rewarded
for luck that it inherits. As in the Ladder (Blum and Hardt 2015, ICML, PMLR 37:1006-1014), only the improvement over
earlier candidates counts; seodang.gate.inheritance has the test.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

ItemKey = tuple[str, str]
"""Task and item."""

_OLD_SHARE = 0.1  # of a test's items; a judgement on more of them counts
_DIGITS = 9  # significant digits of scores in the ledger; scores that agree so far are equal
_WORN_OUT = 2.0  # times the items of a first judgement
_RESAMPLES_IN_TAIL = 10  # at least, so that the tail of a later judgement is more than one resample
_MAX_RESAMPLES = 1_000_000  # so that an extreme confidence costs seconds, not memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A candidate that was judged, with its scores."""

    candidate: str
    """Checksum of the candidate's scores."""
    items: frozenset[ItemKey]
    scores: Mapping[str, Mapping[ItemKey, float]]
    """By metric; rounded by `round_score`."""
    met: frozenset[str]
    """Names of the tests that it met."""
    verdict: str = ""
    created_at: str = ""
    """Time of the judgement, UTC."""

    def covers(self, keys: Collection[ItemKey]) -> bool:
        """Return whether the judgement counts for a test on these items: it was made on more than 10 % of them."""
        return sum(key in self.items for key in keys) > _OLD_SHARE * len(keys)

    def list_scores(self, metric: str, keys: Sequence[ItemKey]) -> Floats:
        """Return the scores of shape (items,); NaN where the candidate has none."""
        scores = self.scores.get(metric, {})
        return np.array([scores.get(key, np.nan) for key in keys])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How often the items of a test were used before, and what is left."""

    number: int
    """Of this judgement on these items, from 1."""
    tail: float
    """Level of a one-sided test that the rule holds."""
    is_used_up: bool
    """No level is left: fresh items are needed."""
    predecessors: tuple[Judgement, ...] = ()

    @property
    def confidence(self) -> float:
        """Return the confidence of the two-sided interval."""
        return 1 - 2 * self.tail

    def count_resamples(self, gate: GateParams) -> int:
        """Return how many resamples an interval of this confidence needs."""
        return max(gate.resamples, min(_MAX_RESAMPLES, math.ceil(_RESAMPLES_IN_TAIL / self.tail)))


def build_judgement(
    pairs: Mapping[str, Pairs], gate: GateParams, *, met: Sequence[str], verdict: str, created_at: str
) -> Judgement:
    """Return the judgement that the ledger keeps: the candidate's scores on the items of every rule and threshold.

    Args:
        pairs: By metric, with the candidate's scores.
        gate: Rules and thresholds.
        met: Names of the tests that the candidate met.
        verdict: Verdict.
        created_at: Time, UTC.
    """
    scores: dict[str, dict[ItemKey, float]] = {}
    bounds: list[RuleParams | ThresholdParams] = [*gate.rules, *gate.thresholds]
    for bound in bounds:
        selected = pairs[bound.metric].select(tasks=bound.tasks)
        keys = zip(selected.tasks, selected.items, strict=True)
        scores.setdefault(bound.metric, {}).update(
            zip(keys, map(round_score, selected.candidate.tolist()), strict=True)
        )
    content = json.dumps([[metric, *sorted(values.items())] for metric, values in sorted(scores.items())])
    return Judgement(
        candidate=hashlib.sha256(content.encode()).hexdigest(),
        items=frozenset(key for values in scores.values() for key in values),
        scores=scores,
        met=frozenset(met),
        verdict=verdict,
        created_at=created_at,
    )


def round_score(score: float) -> float:
    """Return the score as the ledger stores it."""
    return float(f"{score:.{_DIGITS}g}")


def name_test(rule: RuleParams, against: str, group: str) -> str:
    """Return a name that equals that of the same test of another candidate.

    Args:
        rule: Rule.
        against: Name of the reference; only its kind counts among the variants of the base.
        group: Language or task of a rule with `group_by`, else empty.
    """
    parts = (rule.test, rule.metric, f"{rule.margin:g}", against.partition("/")[0], "+".join(sorted(rule.tasks)), group)
    return " ".join(part for part in parts if part)


def find_reuse(pairs: Pairs, metric: str, ledger: Sequence[Judgement], gate: GateParams) -> Reuse:
    """Return the number and the level of this judgement on the items of a test.

    A judgement counts if more than 10 % of the items are among those that it was made on. Candidates with equal scores
    count once, and a candidate that was judged before keeps its number.

    Args:
        pairs: Items of the test, with the candidate's scores.
        metric: Metric of the test.
        ledger: Judgements, oldest first.
        gate: Confidence, and number of judgements that share the budget.
    """
    keys = list(zip(pairs.tasks, pairs.items, strict=True))
    own = np.array([round_score(score) for score in pairs.candidate])
    predecessors: dict[bytes | str, Judgement] = {}
    for judgement in ledger:
        if not judgement.covers(keys):
            continue
        scores = judgement.list_scores(metric, keys)
        if np.array_equal(scores, own):
            break
        key = judgement.candidate if np.isnan(scores).any() else scores.tobytes()
        earlier = predecessors.get(key, judgement)  # judged again by other rules: it may have met more tests since
        predecessors[key] = replace(earlier, met=earlier.met | judgement.met)
    number = len(predecessors) + 1
    return Reuse(
        number=number,
        tail=compute_tail(number, gate),
        is_used_up=number > gate.judgements,
        predecessors=tuple(predecessors.values()),
    )


def compute_tail(number: int, gate: GateParams) -> float:
    """Return the one-sided level of a judgement; the levels of all judgements add up to 1 - confidence.

    Args:
        number: From 1; after gate.judgements the level is that of the last one.
        gate: Confidence, and number of judgements.
    """
    first, last = (1 - gate.confidence) / 2, gate.judgements
    return first if number == 1 else first / min(number, last) / sum(1 / other for other in range(2, last + 1))


def compute_confidence(number: int, gate: GateParams) -> float:
    """Return the confidence of the intervals of a judgement."""
    return 1 - 2 * compute_tail(number, gate)


def compute_wear(number: int, gate: GateParams) -> float:
    """Return how many times the items of a first judgement a rule needs for the same statistical power.

    The normal approximation: ((z(1 - tail) + z(power)) / (z(1 - first tail) + z(power))) ** 2.
    """
    power = stats.norm.ppf(gate.power)
    first, now = (stats.norm.isf(compute_tail(k, gate)) + power for k in (1, number))
    return float((now / first) ** 2)


def is_worn_out(number: int, gate: GateParams) -> bool:
    """Return whether a rule needs at least twice the items of a first judgement."""
    return compute_wear(number, gate) >= _WORN_OUT


def count_fresh_items(items: int) -> int:
    """Return how many items of a set must be replaced so that earlier judgements no longer count."""
    return items - math.floor(_OLD_SHARE * items)
