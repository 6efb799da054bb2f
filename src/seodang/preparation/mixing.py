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
    positions: NDArray[np.float64],
    params: Sequence[SourceParams],
    replay_ratio: float | None,
) -> Mix:
    """Return how often each record stands in train.

    Args:
        in_train: Which records are on the side of train.
        sources: Number of each record's source among `names`.
        names: Of the sources.
        at: Each record's place on [0, 1), by its hash.
        params: The sources' weights and caps; a source that isn't among them counts once, without a cap.
        replay_ratio: Share of the lines of train that sources marked replay make up; None leaves them as they are.
    """
    by_name = {source.name: source for source in params}
    source_params = [by_name.get(name) for name in names]
    weights = (
        np.array([source.weight if source else 1.0 for source in source_params])[sources] if names else np.zeros(0)
    )
    weighted_copies = np.where(in_train, np.floor(weights) + (positions < weights % 1), 0).astype(np.int32)
    capped_copies = weighted_copies.copy()
    for number, source in enumerate(source_params):
        if source and source.cap is not None:
            _limit_copies(capped_copies, sources == number, positions, source.cap)
    is_replay = np.isin(sources, [number for number, source in enumerate(source_params) if source and source.replay])
    mixed_copies, missing = _limit_replay(capped_copies, is_replay, positions, replay_ratio)
    steps = {
        "weight": (in_train, weighted_copies > 0),
        "cap": (weighted_copies > 0, capped_copies > 0),
        "replay": (capped_copies > 0, mixed_copies > 0),
    }
    return Mix(mixed_copies, {reason: before & ~after for reason, (before, after) in steps.items()}, missing)


def _limit_replay(
    copies: Copies, is_replay: NDArray[np.bool_], positions: NDArray[np.float64], ratio: float | None
) -> tuple[Copies, int]:
    """Return the copies with those of replay sources cut down to their share, and how many are missing for it."""
    other_count, replay_count = int(copies[~is_replay].sum()), int(copies[is_replay].sum())
    if ratio is None or other_count == 0:
        return copies, 0
    target = round(other_count * ratio / (1 - ratio))
    result = copies.copy()
    _limit_copies(result, is_replay, positions, target)
    return result, max(0, target - replay_count)


def _limit_copies(copies: Copies, mask: NDArray[np.bool_], positions: NDArray[np.float64], maximum: int) -> None:
    """Leave `most` copies of the chosen records at the most: those with the smallest places."""
    indices = np.flatnonzero(mask & (copies > 0))
    indices = indices[np.argsort(positions[indices], kind="stable")]
    before = np.cumsum(copies[indices]) - copies[indices]
    copies[indices] = np.clip(maximum - before, 0, copies[indices])
