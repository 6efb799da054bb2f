"""Held-out thumbs as a judge: their accuracy, its interval, and how many questions count."""

import numpy as np
import pytest

from seodang.alignment.thumbs import (
    ThumbScore,
    compare_changes,
    count_effective_groups,
    estimate_auc,
    summarize_thumbs,
)
from seodang.records import count_questions


def make_scores(good, bad, *, groups=None):
    marks = [(change, True) for change in good] + [(change, False) for change in bad]
    names = groups or [f"q{number}" for number in range(len(marks))]
    return [
        ThumbScore(group, is_desirable, -10.0, -10.0 + change)
        for group, (change, is_desirable) in zip(names, marks, strict=True)
    ]


def test_the_accuracy_is_the_share_of_all_combinations_in_which_the_good_answer_gained_more():
    generator = np.random.default_rng(1)
    good, bad = generator.integers(0, 6, 40).astype(float), generator.integers(0, 5, 25).astype(float)
    wins = [float(up > down) + 0.5 * (up == down) for up in good for down in bad]
    assert estimate_auc(good, bad, questions=25).value == pytest.approx(np.mean(wins))


@pytest.mark.parametrize(("good_count", "bad_count", "shift"), [(60, 60, 0.0), (200, 40, 1.0), (40, 400, 3.0)])
def test_the_interval_covers_the_true_probability(good_count, bad_count, shift):
    generator = np.random.default_rng(2)
    truth = float(np.mean(generator.normal(shift, 1, 400_000) > generator.normal(0, 1, 400_000)))
    covered = 0
    for _trial in range(400):
        good, bad = generator.normal(shift, 1, good_count), generator.normal(0, 1, bad_count)
        interval = estimate_auc(good, bad, questions=min(good_count, bad_count))
        covered += interval.low <= truth <= interval.high
    assert covered / 400 > 0.94


def test_answers_to_one_question_do_not_make_the_interval_narrower():
    good, bad = [2.0] * 200, [1.0] * 200
    alone = summarize_thumbs(make_scores(good, bad), 0.1)
    crowded = ["one question"] * 188 + [f"good {number}" for number in range(12)]
    same = summarize_thumbs(make_scores(good, bad, groups=crowded + [f"bad {number}" for number in range(200)]), 0.1)
    assert alone["reward_accuracy"]["low"] > 0.97
    assert same["reward_accuracy"] == {"value": 1.0, "low": None, "high": None}  # one question has nearly all thumbs
    assert same["questions"] == 13


def test_opposite_changes_of_both_answers_to_a_question_do_not_pass_for_independent_evidence():
    """A question that moves its good answer up and its bad one down, or the reverse, says one thing and not two."""
    generator = np.random.default_rng(3)
    names = [f"q{number}" for number in range(60)] * 2
    above = 0
    for _trial in range(200):
        changes = generator.choice([-1.0, 1.0], 60) + generator.normal(0, 0.1, 60)
        accuracy = compare_changes(make_scores(changes, -changes, groups=names))
        above += accuracy.low > 0.5
    assert above / 200 <= 0.03


def test_the_interval_has_no_rounded_count_of_wins():
    estimate = estimate_auc(np.arange(50.0), np.arange(50.0) - 7, questions=50)
    assert estimate.value == pytest.approx(0.6302)
    assert estimate.low < 0.5  # that of 32 of 50 is above it


def test_figures_compare_the_means_of_good_and_bad_answers():
    figures = summarize_thumbs(make_scores([3.0] * 20, [-1.0] * 10), 0.5)
    assert (figures["good"], figures["bad"], figures["questions"]) == (20, 10, 10)
    assert figures["reward_accuracy"]["value"] == 1.0
    assert figures["reward_margin"]["value"] == pytest.approx(2.0)
    assert (figures["chosen_change"]["value"], figures["rejected_change"]["value"]) == (3.0, -1.0)


def test_questions_are_those_of_the_rarer_mark_and_one_mark_alone_judges_nothing():
    assert count_questions([("a", True), ("a", True), ("b", True), ("a", False)]) == 1
    assert count_questions([("a", True), ("b", True)]) == 0
    assert count_questions([]) == 0


def test_groups_of_equal_size_all_count():
    assert count_effective_groups(["a", "a", "b", "b"]) == 2
    assert count_effective_groups(["a"] * 99 + ["b"]) < 1.1
