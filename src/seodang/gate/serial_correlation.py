"""Whether items without groups look dependent: those with neighbouring names have similar differences. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np

from seodang.gate.messages import Reason, build_reason
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats
from seodang.i18n import Message

_MINIMUM_ITEMS: Final = 20
_CRITICAL: Final = 2.576
"""Standard errors; independent items exceed it in 0.5 % of the cases."""
_MINIMUM_RUNS: Final = 10
"""Runs of equal differences; with fewer, the items are sorted by their result."""
_DIGITS: Final = re.compile(r"(\d+)")


def build_serial_reasons(tests: Mapping[str, Pairs]) -> list[Reason]:
    """Return a note for each subject whose items look dependent.

    Args:
        tests: Scores of the tests of rules, by subject; one reference of each is enough.
    """
    return [
        build_reason(
            True,
            Message(
                "{subject}: items whose names follow one another have similar differences (autocorrelation"
                " {correlation:.2f}). If several of them share a text, give these the same `group`; without it the"
                " interval is too narrow",
                {"subject": subject, "correlation": correlation},
            ),
            is_information=True,
        )
        for subject, pairs in tests.items()
        if (correlation := find_serial_correlation(pairs)) is not None
    ]


def find_serial_correlation(pairs: Pairs) -> float | None:
    """Return the lag-1 autocorrelation of the differences, in the order of the items' names; None if it may be chance.

    Names of the questions on one passage mostly follow one another, as their rows do. The standard error of the
    autocorrelation of n independent items is 1 / sqrt(n) (Bartlett 1946). Each task and language is centered on its own
    mean.

    Args:
        pairs: Scores of two models.

    Returns:
        0 to 1; None also where the items have groups, are sorted by their result, or are fewer than 20.
    """
    if any(pairs.groups) or len(pairs) < _MINIMUM_ITEMS:
        return None
    products, squares = 0.0, 0.0
    for differences in _list_ordered_differences(pairs):
        centered = differences - differences.mean()
        products += float(centered[1:] @ centered[:-1])
        squares += float(centered @ centered)
    if squares == 0:
        return None
    correlation = products / squares
    is_sorted = len(pairs) * (1 - correlation) < _MINIMUM_RUNS
    return correlation if correlation * np.sqrt(len(pairs)) > _CRITICAL and not is_sorted else None


def _list_ordered_differences(pairs: Pairs) -> list[Floats]:
    """Return the differences of each task and language, item 2 before item 10."""
    differences = pairs.candidate - pairs.reference
    rows: dict[tuple[str, str], list[tuple[list[tuple[int, str]], float]]] = defaultdict(list)
    for task, language, item, value in zip(pairs.tasks, pairs.languages, pairs.items, differences, strict=True):
        rows[task, language].append((_split_numbers(item), float(value)))
    return [np.array([value for _name, value in sorted(group)]) for group in rows.values()]


def _split_numbers(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in a name by value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]
