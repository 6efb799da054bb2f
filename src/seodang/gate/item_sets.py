"""Recognize items under other names by the scores of an equal reference, in any order. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from seodang.gate.judgement import round_score
from seodang.gate.scores import Pairs

_LOG_CHANCE = math.log(1e-9)  # that other items have the same scores; smaller chances are none


def compute_multisets(pairs: Pairs, by_metric: Mapping[str, Pairs]) -> tuple[str, ...]:
    """Return checksums of the reference's scores as multisets: of the test's metric, and of all metrics together.

    A checksum is returned only where it is practically impossible that other items have the same scores. Right or wrong
    alone never qualifies: 300 items with 180 right answers are like any others.

    Args:
        pairs: Items of a test with the reference's scores.
        by_metric: All scores of the same reference by metric; empty where the reference is made of several ones.
    """
    own = [(round_score(score),) for score in pairs.reference.tolist()]
    columns = [
        dict(zip(each.keys, each.reference.tolist(), strict=True)) for _metric, each in sorted(by_metric.items())
    ]
    complete = [column for column in columns if all(key in column for key in pairs.keys)]
    joint = [tuple(round_score(column[key]) for column in complete) for key in pairs.keys]
    return tuple(dict.fromkeys(_compute_checksum(rows) for rows in (own, joint) if _is_distinctive(rows)))


def _compute_checksum(rows: Sequence[tuple[float, ...]]) -> str:
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


def _is_distinctive(rows: Sequence[Hashable]) -> bool:
    """Return whether two samples with these shares have equal counts by chance in fewer than one of a billion cases.

    The chance is that of the normal approximation to the multinomial distribution: the product of the shares to the
    power of -1/2, times (4 pi n) to the power of -(k - 1)/2, with n items and k different rows.
    """
    counts = Counter(rows)
    total = len(rows)
    if len(counts) < 2:
        return False
    shares = sum(math.log(count / total) for count in counts.values())
    return -shares / 2 - (len(counts) - 1) / 2 * math.log(4 * math.pi * total) < _LOG_CHANCE
