"""How often each record stands in train: weight, cap and replay share of its source, all chosen by hash.

The choice is by the record's own hash, so adding records moves nobody; only a cap and the replay share, which say how many
there may be, give a place to one record by taking it from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import SourceParams

Copies = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each record stands in train, and why some don't."""

    copies: Copies  # one value a record; 0 outside train
    left_out: Mapping[str, NDArray[np.bool_]]  # weight, cap, replay: the records that none is left of for this reason
    replay_missing: int  # lines that replay sources lack for their share


def mix(
    in_train: NDArray[np.bool_],
    sources: NDArray[np.int32],
    names: Sequence[str],
    at: NDArray[np.float64],
    params: Sequence[SourceParams],
    replay_share: float | None,
) -> Mix:
    """Return how often each record stands in train.

    Args:
        in_train: Which records are on the side of train.
        sources: Number of each record's source among `names`.
        names: Of the sources.
        at: Each record's place on [0, 1), by its hash.
        params: The sources' weights and caps; a source that isn't among them counts once, without a cap.
        replay_share: Share of the lines of train that sources marked replay make up; None leaves them as they are.
    """
    by_name = {source.name: source for source in params}
    known = [by_name.get(name) for name in names]
    weights = np.array([source.weight if source else 1.0 for source in known])[sources] if names else np.zeros(0)
    weighted = np.where(in_train, np.floor(weights) + (at < weights % 1), 0).astype(np.int32)
    capped = weighted.copy()
    for number, source in enumerate(known):
        if source and source.cap is not None:
            _limit(capped, sources == number, at, source.cap)
    replays = np.isin(sources, [number for number, source in enumerate(known) if source and source.replay])
    mixed, missing = _replayed(capped, replays, at, replay_share)
    steps = {"weight": (in_train, weighted > 0), "cap": (weighted > 0, capped > 0), "replay": (capped > 0, mixed > 0)}
    return Mix(mixed, {reason: before & ~after for reason, (before, after) in steps.items()}, missing)


def _replayed(
    copies: Copies, replays: NDArray[np.bool_], at: NDArray[np.float64], share: float | None
) -> tuple[Copies, int]:
    """Return the copies with those of replay sources cut down to their share, and how many are missing for it."""
    others, there = int(copies[~replays].sum()), int(copies[replays].sum())
    if share is None or others == 0:
        return copies, 0
    wanted = round(others * share / (1 - share))
    result = copies.copy()
    _limit(result, replays, at, wanted)
    return result, max(0, wanted - there)


def _limit(copies: Copies, which: NDArray[np.bool_], at: NDArray[np.float64], most: int) -> None:
    """Leave `most` copies of the chosen records at the most: those with the smallest places."""
    chosen = np.flatnonzero(which & (copies > 0))
    chosen = chosen[np.argsort(at[chosen], kind="stable")]
    before = np.cumsum(copies[chosen]) - copies[chosen]
    copies[chosen] = np.clip(most - before, 0, copies[chosen])
