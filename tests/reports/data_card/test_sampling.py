"""Samples, quantiles, histograms and counts of labels."""

from __future__ import annotations

from collections import Counter

from seodang.reports.data_card.layout import build_histogram
from seodang.reports.data_card.sampling import LowestHashes
from seodang.reports.data_card.statistics import Labels, compute_quantile


def sample(keys, size=3, seed=1):
    lowest = LowestHashes[str](size, seed)
    for key in keys:
        lowest.add(key, key)
    return lowest.items()


def test_a_sample_does_not_depend_on_order_or_repeats():
    keys = [str(number) for number in range(100)]
    assert sample(keys) == sample([*reversed(keys), *keys])
    assert len(set(sample(keys))) == 3


def test_a_sample_of_few_items_has_them_all():
    assert sorted(sample(["b", "a", "b"])) == ["a", "b"]


def test_a_sample_of_none_is_empty():
    assert sample(["a", "b"], size=0) == []


def test_another_seed_chooses_others():
    keys = [str(number) for number in range(1000)]
    assert sample(keys, seed=1) != sample(keys, seed=2)


def test_quantiles_are_lengths_that_occur():
    lengths = Counter({10: 19, 500: 1})
    assert [compute_quantile(lengths, probability) for probability in (0.5, 0.95, 0.96, 1)] == [10, 10, 500, 500]
    assert compute_quantile(Counter(), 0.5) == 0


def test_a_histogram_counts_every_text_that_is_not_empty():
    bars = build_histogram(Counter({0: 5, 1: 1, 9: 2, 10: 3, 1000: 1}), 1000).bars
    assert [records for *_, records in bars] == [1, 2, 3, 1]
    assert bars[0][0] == 0
    assert bars[-1][1] == 1
    assert max(height for _, _, height, _ in bars) == 1


def test_labels_of_items_with_separate_choices_are_counted_by_position():
    labels = Labels()
    for number in range(50):
        labels.add([f"a{number}", f"b{number}"], f"b{number}" if number % 5 else f"a{number}")
    assert labels.per_item
    assert labels.positions == {1: 10, 2: 40}
