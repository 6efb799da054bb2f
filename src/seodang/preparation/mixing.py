"""Mixing: how many copies of each record train has, by weight, cap and replay ratio of its source.

The hash of a record decides, so added records do not change the others. A cap and the replay ratio limit the number of
records, so an added record can displace another one.
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
    """The copies of each record in train, and the reasons for zero copies."""

    copies: Copies  # one value per record; 0 outside train
    left_out: Mapping[str, NDArray[np.bool_]]  # weight, cap or replay -> records with zero copies for this reason
    replay_missing: int  # lines that the replay sources lack to reach the replay ratio


def mix(
    in_train: NDArray[np.bool_],
    sources: NDArray[np.int32],
    names: Sequence[str],
    positions: NDArray[np.float64],
    params: Sequence[SourceParams],
    replay_ratio: float | None,
) -> Mix:
    """Return the number of copies of each record in train.

    Args:
        in_train: Whether each record is in train.
        sources: Index of each record's source into `names`.
        names: Names of the sources.
        positions: Position of each record in [0, 1), from its hash.
        params: Weights and caps of the sources; a source without parameters has weight 1 and no cap.
        replay_ratio: Share of the lines of train from sources marked `replay`; None: no limit.
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
    """Return the copies with the replay sources limited to their ratio, and the number of lines that they lack."""
    other_count, replay_count = int(copies[~is_replay].sum()), int(copies[is_replay].sum())
    if ratio is None or other_count == 0:
        return copies, 0
    target = round(other_count * ratio / (1 - ratio))
    result = copies.copy()
    _limit_copies(result, is_replay, positions, target)
    return result, max(0, target - replay_count)


def _limit_copies(copies: Copies, mask: NDArray[np.bool_], positions: NDArray[np.float64], maximum: int) -> None:
    """Keep at most `maximum` copies of the selected records in `copies`: those with the smallest positions."""
    indices = np.flatnonzero(mask & (copies > 0))
    indices = indices[np.argsort(positions[indices], kind="stable")]
    before = np.cumsum(copies[indices]) - copies[indices]
    copies[indices] = np.clip(maximum - before, 0, copies[indices])
