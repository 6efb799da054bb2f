"""Bounds on preference tuning, and the choice between the tuned and the aligned model."""

import pytest
from tests.fixtures.gate import build_bounds

from seodang.gate.alignment import build_alignment_reasons, build_choice_note, choose_candidate
from seodang.gate.decision import Decision


def build_report(pairs=60, **changes):
    figures = {
        "reward_accuracy": (0.8, 0.7, 0.9),
        "chosen_change": (0.5, -0.5, 1.5),
        "kl_per_token": (0.02, 0.01, 0.03),
        "length_ratio": (1.1, 0.9, 1.3),
        **changes,
    }
    values = {name: dict(zip(("value", "low", "high"), figure, strict=True)) for name, figure in figures.items()}
    return {"pairs": {"pairs": pairs, **values}, "answers": values}


def judge(**changes):
    return [reason.passed for reason in build_alignment_reasons(build_report(**changes), build_bounds())]


def test_figures_within_their_bounds_are_met():
    assert judge() == [True] * 4


@pytest.mark.parametrize(
    ("changes", "index"),
    [
        ({"reward_accuracy": (0.4, 0.3, 0.45)}, 0),
        ({"chosen_change": (-4.0, -5.0, -3.0)}, 1),
        ({"kl_per_token": (0.5, 0.4, 0.6)}, 2),
        ({"length_ratio": (3.0, 2.5, 3.5)}, 3),
        ({"length_ratio": (0.3, 0.2, 0.4)}, 3),
    ],
    ids=["worse than chance", "preferred answers lost", "drift", "too long", "too short"],
)
def test_an_interval_beyond_a_bound_is_not_met(changes, index):
    assert judge(**changes)[index] is False
    assert judge(**changes).count(True) == 3


@pytest.mark.parametrize("figure", [(0.55, 0.45, 0.65), (0.8, None, None)], ids=["over the bound", "unknown"])
def test_an_interval_that_reaches_over_its_bound_is_undecided(figure):
    assert judge(reward_accuracy=figure)[0] is None


@pytest.mark.parametrize("report", [build_report(pairs=9), {"pairs": None, "answers": None}])
def test_too_few_held_out_pairs_decide_nothing(report):
    [reason] = build_alignment_reasons(report, build_bounds())
    assert reason.passed is None
    assert "minimum_pairs is 10" in reason.en
    assert "최소" in reason.ko or "minimum_pairs" in reason.ko


def build_decisions(tuned, aligned):
    return {
        name: Decision(verdict=verdict, reasons=[], results=[], met=[], tests={})
        for name, verdict in (("tuned", tuned), ("aligned", aligned))
    }


@pytest.mark.parametrize(
    ("tuned", "aligned", "chosen"),
    [
        ("promote", "promote", "aligned"),
        ("promote", "reject", "tuned"),
        ("reject", "promote", "aligned"),
        ("reject", "inconclusive", "tuned"),
    ],
)
def test_the_aligned_model_is_the_candidate_only_if_it_is_promoted(tuned, aligned, chosen):
    decisions = build_decisions(tuned, aligned)
    assert choose_candidate(decisions) == chosen
    note = build_choice_note(decisions, "dpo")
    assert note.is_information
    assert {"tuned": aligned, "aligned": tuned}[chosen] in note.en
