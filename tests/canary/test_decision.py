"""Verdicts about a candidate from the scores of both versions."""

import math

import pytest

from seodang.canary.decision import ScoreComparison, decide, summarize_score
from seodang.canary.evidence import build_rate


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


def test_the_evidence_of_many_scores_is_their_mean():
    alone, among = decide([BAD], 0.05), decide([BAD, *[compare(f"{n}", (0, 0), (0, 0)) for n in range(9)]], 0.05)
    assert among.log_evidence == pytest.approx(alone.log_evidence - math.log(10), abs=1e-6)


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
