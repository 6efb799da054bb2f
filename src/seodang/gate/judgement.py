"""A judgement of the gate: the candidate's scores, the tests that it met, and the level that each test used. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.gate.score_ranges import LARGEST_SCORE
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

ItemKey = tuple[str, str]
"""Task and item."""

OLD_SHARE = 0.1  # of a test's items; a judgement on more of them counts
_DIGITS = 9  # significant digits of scores in the ledger; scores that agree so far are equal


class Spending(NamedTuple):
    """What one test of a judgement used."""

    level: float
    """One-sided; spent of the error budget of its items."""
    reference: str
    """Checksum of the reference's scores; empty for a threshold."""
    multisets: tuple[str, ...] = ()
    """Checksums of the reference's scores in any order, where no other items have the same ones."""


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
    tests: Mapping[str, Spending] = field(default_factory=dict)
    """By name; each had to be met for a promotion."""
    verdict: str = ""
    created_at: str = ""
    """Time of the judgement, UTC."""
    contents: Mapping[ItemKey, str] = field(default_factory=dict)
    """What identifies the text of an item, where it is known."""

    def covers(self, keys: Collection[ItemKey], contents: Sequence[str] = ()) -> bool:
        """Return whether the judgement counts for a test on these items: it was made on more than 10 % of them.

        Args:
            keys: Of the items.
            contents: What identifies the text of each item, "" where nothing does; empty for none.
        """
        known = frozenset(self.contents.values())
        texts = contents or [""] * len(keys)
        old = sum(key in self.items or text in known for key, text in zip(keys, texts, strict=True))
        return old > OLD_SHARE * len(keys)

    def covers_items_of(self, other: Judgement) -> bool:
        """Return whether the judgement counts for a test on all items of another one."""
        keys = sorted(other.items)
        return self.covers(keys, [other.contents.get(key, "") for key in keys])

    def has_reference(self, use: Spending) -> bool:
        """Return whether a test of the judgement compared with the same scores of a reference, in any order."""
        return any(_has_same_reference(use, other) for other in self.tests.values())

    def is_repeated_by(self, references: Mapping[str, str]) -> bool:
        """Return whether the same scores under these tests are no new chance: every earlier test must be met again.

        Args:
            references: Checksum of the reference's scores by name of the test.
        """
        return all(references.get(name) == use.reference for name, use in self.tests.items())

    def get_level(self, name: str, use: Spending | None = None) -> float | None:
        """Return the level that a test used; None if it is unknown.

        A rule whose tasks changed has another name. What it spent on these items is the level of the tests with the
        same scores of its reference; a test on other items spent nothing of theirs. Without such a test it is the
        highest level.

        Args:
            name: Of the test.
            use: Its reference.
        """
        if name in self.tests:
            return self.tests[name].level
        same = [other.level for other in self.tests.values() if use is not None and _has_same_reference(use, other)]
        return max(same or [other.level for other in self.tests.values()], default=None)

    def list_scores(self, metric: str, keys: Sequence[ItemKey], contents: Sequence[str] = ()) -> Floats:
        """Return the scores of shape (items,), by content where it is known; NaN where the candidate has none.

        Of several items with one content, such as a text under two prompts, the one with this key comes first.
        """
        scores = self.scores.get(metric, {})
        names = {self.contents[key]: key for key in sorted(scores, reverse=True) if key in self.contents}
        texts = contents or [""] * len(keys)
        listed: Floats = np.array(
            [scores.get(self._find_item(key, text, names), np.nan) for key, text in zip(keys, texts, strict=True)]
        )
        return listed.clip(-LARGEST_SCORE, LARGEST_SCORE)

    def _find_item(self, key: ItemKey, content: str, names: Mapping[str, ItemKey]) -> ItemKey:
        """Return the item of this judgement with the content; with the key where the content is unknown."""
        is_same = key in self.items and self.contents.get(key, content) == content
        return key if is_same else names.get(content, key)


def _has_same_reference(use: Spending, other: Spending) -> bool:
    is_equal = bool(use.reference) and other.reference == use.reference
    return is_equal or not frozenset(use.multisets).isdisjoint(other.multisets)


def build_judgement(
    pairs: Mapping[str, Pairs],
    gate: GateParams,
    *,
    met: Sequence[str],
    verdict: str,
    created_at: str,
    tests: Mapping[str, Spending] | None = None,
) -> Judgement:
    """Return the judgement that the ledger keeps: the candidate's scores on the items of every rule and threshold.

    Args:
        pairs: By metric, with the candidate's scores.
        gate: Rules and thresholds.
        met: Names of the tests that the candidate met.
        verdict: Verdict.
        created_at: Time, UTC.
        tests: Level and reference of each test.
    """
    scores: dict[str, dict[ItemKey, float]] = {}
    contents: dict[ItemKey, str] = {}
    bounds: list[RuleParams | ThresholdParams] = [*gate.rules, *gate.thresholds]
    for bound in bounds:
        selected = pairs[bound.metric].select(tasks=bound.tasks)
        scores.setdefault(bound.metric, {}).update(
            zip(selected.keys, map(round_score, selected.candidate.tolist()), strict=True)
        )
        contents |= {key: content for key, content in zip(selected.keys, selected.contents, strict=False) if content}
    content = json.dumps([[metric, *sorted(values.items())] for metric, values in sorted(scores.items())])
    return Judgement(
        candidate=hashlib.sha256(content.encode()).hexdigest(),
        items=frozenset(key for values in scores.values() for key in values),
        scores=scores,
        met=frozenset(met),
        tests=tests or {},
        verdict=verdict,
        created_at=created_at,
        contents=contents,
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


def name_threshold(threshold: ThresholdParams) -> str:
    """Return a name that equals that of the same threshold for another candidate."""
    bound = f"minimum {threshold.minimum:g}" if threshold.minimum is not None else f"maximum {threshold.maximum:g}"
    return " ".join(("threshold", threshold.metric, bound, *sorted(threshold.tasks)))


def compute_checksum(scores: Floats) -> str:
    """Return a short checksum of a reference's scores."""
    content = json.dumps([round_score(score) for score in scores.tolist()])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
