"""Verdicts about a candidate from the scores of both versions."""

import math
from dataclasses import replace

import numpy as np
import pytest

from seodang.canary.decision import ScoreComparison, decide, summarize_score
from seodang.canary.evidence import build_rate
from seodang.canary.pairs import PairCounts


def compare(name, reference, candidate, margin=0.01, tolerance=0.05):
    return ScoreComparison(
        name=name,
        reference=build_rate(*reference),
        candidate=build_rate(*candidate),
        margin=margin,
        tolerance=tolerance,
    )


GOOD = compare("fast", (1900, 2000), (1900, 2000))
BAD = compare("answered", (1990, 2000), (1790, 2000))


def test_one_bad_score_among_good_ones_is_worse_and_named_first():
    decision = decide([GOOD, BAD, GOOD], 0.05)
    assert decision.verdict == "worse"
    assert next(iter(decision.log_evidence_by_score)) == "answered"


def test_equal_arms_become_not_worse_only_if_every_score_does():
    assert decide([GOOD], 0.05).verdict == "not_worse"
    assert decide([GOOD, compare("checked", (80, 100), (80, 100))], 0.05).verdict == "undecided"


def test_each_of_many_scores_needs_as_many_times_the_evidence():
    alone, among = decide([BAD], 0.05), decide([BAD, *[compare(f"{n}", (0, 0), (0, 0)) for n in range(9)]], 0.05)
    assert among.log_evidence == pytest.approx(alone.log_evidence - math.log(10))


def test_several_scores_with_little_evidence_do_not_add_up():
    little = [compare(name, (90, 100), (74, 100)) for name in ("fast", "stopped", "valid")]
    assert decide(little, 0.05).log_evidence < decide(little[:1], 0.05).log_evidence


@pytest.mark.parametrize("number", [1, 100])
def test_one_slow_answer_never_decides_and_a_second_one_may(number):
    one = compare("fast", (10**6, 10**6), (number - 1, number), margin=0.0)
    assert decide([one], 0.5).verdict != "worse"
    assert decide([compare("fast", (10**6, 10**6), (0, 2), margin=0.0)], 0.05).verdict == "worse"
    pair = PairCounts(lost=np.array(1.0), equal=np.array(number - 1.0), gained=np.array(0.0))
    assert decide([replace(one, pairs=pair)], 0.5).verdict != "worse"


def test_a_score_without_a_tolerance_can_roll_back_and_is_not_needed_to_keep():
    silent = replace(compare("liked", (0, 0), (0, 0)), tolerance=None)
    assert decide([GOOD, silent], 0.05).verdict == "not_worse"
    disliked = replace(compare("liked", (800, 1000), (600, 1000)), tolerance=None)
    assert decide([GOOD, disliked], 0.05).verdict == "worse"


def test_pairs_decide_where_both_versions_answered_the_same_items():
    separate = compare("correct", (160, 200), (140, 200))
    pairs = PairCounts(lost=np.array(24.0), equal=np.array(172.0), gained=np.array(4.0))
    paired = replace(separate, pairs=pairs)
    assert (decide([separate], 0.05).verdict, decide([paired], 0.05).verdict) == ("undecided", "worse")
    equal = replace(separate, pairs=PairCounts(lost=np.array(0.0), equal=np.array(200.0), gained=np.array(0.0)))
    assert decide([equal], 0.05).verdict == "not_worse"
    summary = summarize_score(paired, 0.05)
    assert summary.low < -0.1 < summary.high < 0


def test_a_drop_within_the_margin_is_not_worse():
    assert (
        decide([compare("fast", (9000, 10_000), (8700, 10_000), margin=0.05, tolerance=0.1)], 0.05).verdict
        == "not_worse"
    )


def test_a_score_without_requests_decides_nothing():
    assert decide([compare("fast", (900, 1000), (0, 0))], 0.05).verdict == "undecided"


def test_a_summary_has_the_difference_with_its_interval():
    summary = summarize_score(BAD, 0.05)
    assert (summary.reference_mean, summary.candidate_mean, summary.candidate_number) == (0.995, 0.895, 2000)
    assert summary.low < -0.1 < summary.high < -0.05
