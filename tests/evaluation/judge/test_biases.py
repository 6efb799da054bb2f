"""Biases of a judge whose truth is known, and judges that only look biased."""

import numpy as np
import pytest

from seodang.evaluation.judge.biases import measure_length_bias, measure_position_bias, measure_self_preference
from seodang.evaluation.judge.verdicts import PairVerdict

COUNT = 600


def make_pairs(seed=3):
    """Return lengths and preferences of people who prefer the longer answer in seven of ten pairs."""
    generator = np.random.default_rng(seed)
    lengths = [(int(one), int(other)) for one, other in generator.integers(20, 400, size=(COUNT, 2))]
    people = [float((one > other) == (generator.random() < 0.7)) for one, other in lengths]
    return lengths, people, generator


def measure(lengths, judge, people):
    return measure_length_bias(lengths, judge, people, [str(number) for number in range(len(people))])


def test_a_judge_that_agrees_with_people_has_no_length_bias():
    lengths, people, _ = make_pairs()
    bias = measure(lengths, people, people)
    assert bias.excess.value == 0
    assert bias.gap.value == 0
    assert bias.judge_ratio == bias.people_ratio > 1


def test_a_random_judge_has_no_gap_although_people_prefer_the_longer_answer_more():
    lengths, people, generator = make_pairs()
    bias = measure(lengths, list(generator.choice([1.0, 0.0], COUNT)), people)
    assert bias.excess.high < 0
    assert bias.gap.low < 0 < bias.gap.high


def test_a_judge_that_prefers_the_longer_answer_has_a_gap():
    lengths, people, generator = make_pairs()
    judge = [
        float(one > other) if generator.random() < 0.3 else label
        for (one, other), label in zip(lengths, people, strict=True)
    ]
    bias = measure(lengths, judge, people)
    assert bias.gap.low > 0.2
    assert bias.excess.low > 0
    assert bias.agreement_longer == 1.0
    assert bias.agreement_shorter == pytest.approx(0.7, abs=0.08)
    assert bias.pairs_longer + bias.pairs_shorter == bias.pairs


def test_pairs_without_a_verdict_or_with_equal_lengths_are_left_out():
    bias = measure([(5, 5), (9, 3), (9, 3)], [1.0, None, 1.0], [1.0, 1.0, 0.0])
    assert bias.pairs == 1
    assert measure([(5, 5)], [1.0], [1.0]).excess.value is None


def verdicts_of(*orders):
    return [PairVerdict(by_order=order) for order in orders]


def test_a_verdict_that_follows_the_position_is_counted_by_position():
    verdicts = verdicts_of(*[(1.0, 0.0)] * 12, *[(0.0, 1.0)] * 2, *[(1.0, 1.0)] * 84, (None, 1.0), (0.5, 1.0))
    bias = measure_position_bias(verdicts, [str(number) for number in range(100)])
    assert (bias.pairs, bias.first, bias.second) == (99, 12, 2)
    assert bias.share.value == pytest.approx(14 / 99)
    assert bias.share.low < 14 / 99 < bias.share.high
    assert bias.p == pytest.approx(2 * (1 + 14 + 91) / 2**14)  # binomial, 2 or fewer of 14, both sides


def test_a_judge_without_position_bias_has_no_p_value():
    bias = measure_position_bias(verdicts_of((1.0, 1.0), (0.0, 0.0)), ["1", "2"])
    assert (bias.share.value, bias.p) == (0.0, None)


def test_self_preference_compares_with_people_on_the_same_pairs():
    models = [("org/Judge-1", "other")] * 20 + [("other", "judge-1")] * 20 + [("other", "third")] * 5
    people = [0.0] * 20 + [1.0] * 20 + [1.0] * 5  # people prefer the other model
    judge = [1.0] * 10 + [0.0] * 10 + [1.0] * 20 + [1.0] * 5
    own = measure_self_preference(models, ["judge-1"], judge, people, [str(number) for number in range(45)])
    assert (own.pairs, own.judge_share, own.people_share) == (40, 0.25, 0.0)
    assert own.excess.low > 0
    assert measure_self_preference(models, ["unknown", ""], judge, people, ["1"] * 45) is None
