"""The order of preference pairs in an epoch: pairs of about the same length share a micro-batch, which is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class PairSampler(Sampler[int]):
    """The indices of pairs, shuffled by seed and epoch, so that a resumed run continues.

    The pairs of an optimizer step are there by chance alone; only within the step they are sorted by length, before it
    is cut into micro-batches.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        """Create the order; the Trainer sets the epoch.

        Args:
            lengths: Tokens of the longer row of each pair.
            batch_size: Pairs of one optimizer step.
            seed: Of the order.
        """
        self._lengths = np.asarray(lengths)
        self._batch_size, self._seed, self._epoch = batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield the index of each pair."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self))
        for start in range(0, len(self), self._batch_size):
            step = order[start : start + self._batch_size]
            yield from step[np.argsort(self._lengths[step], kind="stable")].tolist()
