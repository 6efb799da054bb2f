"""Bounds of the candidate's mean: what their interval may claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.fixtures.gate import build_gate

from seodang.config import ThresholdParams
from seodang.gate.judgement import build_judgement
from seodang.gate.ledger import find_reuse
from seodang.gate.scores import Pairs
from seodang.gate.thresholds import check_threshold


def check(scores, *, metric="accuracy", groups=(), **bounds):
    count = len(scores)
    values = np.array(scores, float)
    pairs = Pairs(
        ("t",) * count, ("ko",) * count, tuple(map(str, range(count))), values, np.zeros(count), groups=tuple(groups)
    )
    threshold = ThresholdParams.model_validate(
        {"metric": metric, "minimum": None, "maximum": None, "tasks": [], **bounds}
    )
    return check_threshold(threshold, pairs, build_gate(), find_reuse(pairs, metric, None, build_gate()))


@pytest.mark.parametrize(("count", "passed"), [(20, None), (60, None), (80, True)])
def test_answers_that_are_all_right_prove_a_share_only_as_far_as_their_number_does(count, passed):
    assert check([1] * count, minimum=0.95).passed is passed  # 71 right answers of 71 have a lower end of 0.9494


def test_answers_that_are_all_wrong_are_beyond_a_minimum():
    assert check([0] * 30, minimum=0.95).passed is False


@pytest.mark.parametrize(
    ("groups", "passed"), [([f"p{number % 5}" for number in range(100)], None), ([], True)], ids=["five", "independent"]
)
def test_a_few_groups_of_dependent_items_prove_nothing(groups, passed):
    reason = check([1, 1, 1, 1, 0] * 20, minimum=0.5, groups=groups)
    assert reason.passed is passed
    if groups:
        assert "100 items in 5 independent groups" in reason.en
        assert "At least 10 independent groups are needed" in reason.en


def test_large_groups_leave_fewer_trials_than_groups():
    """12 groups of 20 and 48 single answers: a model at the bound of 0.9 met it in 22 %."""
    groups = [f"p{number // 20}" for number in range(240)] + [f"i{number}" for number in range(48)]
    assert check([1] * 288, minimum=0.9, groups=groups).passed is None
    assert check([1] * 60, minimum=0.9).passed is True


def test_one_outlier_among_equal_losses_leaves_a_maximum_undecided():
    reason = check([1.0] * 59 + [3.0], metric="loss", maximum=1.5)
    assert reason.passed is None
    assert "skewed" in reason.en


def test_ordinary_losses_meet_a_maximum():
    losses = np.random.default_rng(3).normal(1.0, 0.2, 100)
    assert check(losses, metric="loss", maximum=1.5).passed is True
    assert check(losses, metric="loss", maximum=0.5).passed is False


def test_a_threshold_on_used_up_items_is_undecided_and_says_why():
    scores = np.array([1.0] * 90 + [0.0] * 10)
    pairs = Pairs(("t",) * 100, ("ko",) * 100, tuple(map(str, range(100))), scores, np.zeros(100))
    ledger = []
    for number in range(2):
        other = replace(pairs, candidate=np.roll(scores, number + 1))
        ledger.append(
            build_judgement({"accuracy": other}, build_gate(), met=[], verdict="reject", created_at=str(number))
        )
    threshold = ThresholdParams(metric="accuracy", minimum=0.2, maximum=None, tasks=[])
    gate = build_gate(judgements=2)
    reason = check_threshold(threshold, pairs, gate, find_reuse(pairs, "accuracy", ledger, gate))
    assert reason.passed is None
    assert "used up" in reason.en
