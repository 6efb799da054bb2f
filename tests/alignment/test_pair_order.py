"""The order of pairs. Run: pytest tests/alignment/test_pair_order.py"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seodang.alignment.pair_order import PairSampler

STEP, SIZE = 16, 4  # pairs of an optimizer step and of a micro-batch


def compute_padded(lengths: list[int], order: list[int]) -> int:
    """Return the tokens of all micro-batches with their padding."""
    parts = [order[start : start + SIZE] for start in range(0, len(order), SIZE)]
    return sum(len(part) * max(lengths[index] for index in part) for part in parts)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=200), st.integers(0, 9))
def test_each_epoch_has_each_pair_once_and_each_step_is_sorted_by_length(lengths, seed):
    order = list(PairSampler(lengths, STEP, seed))
    assert sorted(order) == list(range(len(lengths)))
    for start in range(0, len(order), STEP):
        step = [lengths[index] for index in order[start : start + STEP]]
        assert step == sorted(step)


def test_steps_mix_lengths_by_chance_and_micro_batches_pad_less_than_without_an_order():
    lengths = [index * 37 % 101 + 1 for index in range(STEP * 16)]
    order = list(PairSampler(lengths, STEP, 7))
    assert compute_padded(lengths, order) < 0.8 * compute_padded(lengths, list(range(len(lengths))))
    means = [sum(lengths[index] for index in order[start : start + STEP]) / STEP for start in range(0, 256, STEP)]
    assert means != sorted(means)
    assert max(means) < 2 * min(means)


def test_epochs_and_seeds_differ_and_the_same_epoch_is_the_same():
    lengths = list(range(1, 41))
    first, again, other = (PairSampler(lengths, STEP, seed) for seed in (1, 1, 2))
    assert list(first) == list(again) != list(other)
    again.set_epoch(1)
    assert list(first) != list(again)
