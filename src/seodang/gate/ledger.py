"""Judgements of earlier candidates on the same items, and the level that is left for the next one. Pure.

A promotion is an error if the candidate is not truly better. Judging one candidate after another on the same items
gives that error more chances, so the chances share a budget of 1 - confidence. The first judgement has one half, and
later ones have shares of the other half that fall as 1 / number. The sum bounds the probability of any wrong promotion
under any dependence between candidates. The methods are alpha spending (Foster and Stine 2008, Journal of the Royal
Statistical Society B 70:429-444) and Bonferroni's inequality.

The bound needs one more condition where a candidate is derived from the scores of earlier ones. Such a candidate must
not be rewarded for luck that it inherits. As in the Ladder (Blum and Hardt 2015, ICML, PMLR 37:1006-1014), only the
improvement over earlier candidates counts; seodang.gate.inheritance has the test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import GateParams
from seodang.gate.judgement import OLD_SHARE, ItemKey, Judgement, Spending, round_score
from seodang.gate.levels import compute_tail
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

_RESAMPLES_IN_TAIL = 10  # at least, so that the tail of a later judgement is more than one resample
_STRETCH, _DISTINCT_STRETCHES = 8, 10  # items in a row, and how many different rows show that items are the same
_MAX_RESAMPLES = 1_000_000  # so that an extreme confidence costs seconds, not memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How often the items of a test were used before, and what is left."""

    number: int
    """Of this judgement on these items, from 1."""
    tail: float
    """Level of a one-sided test that the rule holds."""
    next_tail: float
    """The same for the judgement after this one, which a larger set with these items would be."""
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


def find_reuse(
    pairs: Pairs,
    metric: str,
    ledger: Sequence[Judgement] | None,
    gate: GateParams,
    *,
    name: str = "",
    references: Mapping[str, str] | None = None,
    multisets: tuple[str, ...] = (),
) -> Reuse:
    """Return the number and the level of this judgement on the items of a test.

    A judgement counts if more than 10 % of the items are among those that it was made on. Candidates with equal scores
    count once. A judgement whose reference had these scores counts too, in this order or in any order where no other
    items have the same ones: only the items' names differ.
    A candidate that was judged before keeps its number if it must meet again what it had to meet then. Other rules or
    another reference are a new chance, and count.

    Args:
        pairs: Items of the test, with the candidate's scores.
        metric: Metric of the test.
        ledger: Judgements, oldest first; None if none are kept.
        gate: Confidence, and number of judgements.
        name: Of the test.
        references: Checksum of the reference's scores by name, of all tests of this judgement.
        multisets: As `compute_multisets` returns them for this test.
    """
    keys = pairs.keys
    own = np.array([round_score(score) for score in pairs.candidate])
    reference = (references or {}).get(name, "") if _is_distinctive(pairs.reference) else ""
    use = Spending(0.0, reference, multisets)
    chances: list[tuple[bytes | str, Judgement]] = []
    predecessors: dict[bytes | str, Judgement] = {}
    for judgement in ledger or ():
        if not judgement.covers(keys, pairs.contents) and not judgement.has_reference(use):
            continue
        scores = judgement.list_scores(metric, keys, pairs.contents)
        is_own = np.array_equal(scores, own)
        if is_own and judgement.is_repeated_by(references or {}):
            break
        key = judgement.candidate if np.isnan(scores).any() else scores.tobytes()
        if not _is_repeated(key, judgement, chances):
            chances.append((key, judgement))
        if not is_own:
            earlier = predecessors.get(key, judgement)  # judged again: it may have met more tests since
            predecessors[key] = replace(earlier, met=earlier.met | judgement.met)
    levels = [judgement.get_level(name, use) for _key, judgement in chances]
    return _build_reuse(levels, ledger, gate, predecessors.values())


def _is_distinctive(scores: Floats) -> bool:
    """Return whether no other set of items has these scores in the same order, but by a regular pattern."""
    stretches = {tuple(scores[start : start + _STRETCH].tolist()) for start in range(0, len(scores), _STRETCH)}
    return len(stretches) >= _DISTINCT_STRETCHES


def _is_repeated(key: bytes | str, judgement: Judgement, chances: Sequence[tuple[bytes | str, Judgement]]) -> bool:
    references = {name: use.reference for name, use in judgement.tests.items()}
    return any(key == other and earlier.is_repeated_by(references) for other, earlier in chances)


def _build_reuse(
    levels: Sequence[float | None],
    ledger: Sequence[Judgement] | None,
    gate: GateParams,
    predecessors: Iterable[Judgement],
) -> Reuse:
    number = len(levels) + 1
    spent = sum(compute_tail(index, gate) if level is None else level for index, level in enumerate(levels, start=1))
    tail = compute_tail(number, gate, spent)
    return Reuse(
        number=number,
        tail=tail or compute_tail(gate.judgements, gate),
        next_tail=tail if ledger is None else compute_tail(number + 1, gate, spent + tail),
        is_used_up=not tail,
        predecessors=tuple(predecessors),
    )


def compute_next_tail(last: Judgement, ledger: Sequence[Judgement], gate: GateParams) -> float:
    """Return the level of the next judgement on the items of the last one; 0.0 if they are used up."""
    chances: list[tuple[bytes | str, Judgement]] = []
    for judgement in ledger:
        if judgement.covers_items_of(last) and not _is_repeated(judgement.candidate, judgement, chances):
            chances.append((judgement.candidate, judgement))
    reuse = _build_reuse([judgement.get_level("") for _key, judgement in chances], ledger, gate, ())
    return 0.0 if reuse.is_used_up else reuse.tail


def count_fresh_items(sets: Iterable[Collection[ItemKey]]) -> int:
    """Return how many items must be replaced so that earlier judgements no longer count for any test.

    Items that belong to the same tests are replaced in the same share, so each test keeps at most 10 % old items.

    Args:
        sets: Items of each test.
    """
    tests = [frozenset(items) for items in sets]
    members = Counter(tuple(item in items for items in tests) for item in frozenset[ItemKey]().union(*tests))
    return sum(count - math.floor(OLD_SHARE * count) for count in members.values())
