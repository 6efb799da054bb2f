"""Bounds on preference tuning, and the choice between the tuned and the aligned model."""

import pytest
from tests.fixtures.gate import build_bounds

from seodang.gate.alignment import build_alignment_reasons, build_choice_note, choose_candidate
from seodang.gate.decision import Decision


def build_report(pairs=60, **changes):
    figures = {
        "reward_accuracy": (0.8, 0.7, 0.9),
        "aligned_accuracy": (0.8, 0.7, 0.9),
        "chosen_change": (0.5, -0.5, 1.5),
        "kl_per_token": (0.02, 0.01, 0.03),
        "length_ratio": (1.1, 0.9, 1.3),
        **changes,
    }
    values = {name: dict(zip(("value", "low", "high"), figure, strict=True)) for name, figure in figures.items()}
    return {"method": "dpo", "pairs": {"pairs": pairs, **values}, "drift": values}


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


@pytest.mark.parametrize(("method", "figure"), [("dpo", "reward_accuracy"), ("orpo", "aligned_accuracy")])
def test_an_accuracy_that_reaches_down_to_chance_is_undecided_and_chance_itself_is_not_met(method, figure):
    def judge_accuracy(*values):
        report = build_report(**{figure: values}) | {"method": method}
        return build_alignment_reasons(report, build_bounds())[0]

    assert judge_accuracy(0.6, 0.5, 0.7).passed is None
    assert judge_accuracy(0.5, 0.5, 0.5).passed is False
    assert judge_accuracy(0.6, 0.5001, 0.7).passed is True
    assert "more than 0.5 required" in judge_accuracy(0.6, 0.5, 0.7).en


def test_orpo_has_no_reference_so_that_its_pairs_and_its_length_are_bounded_and_no_drift():
    def judge_orpo(**changes):
        report = {**build_report(reward_accuracy=(0.1, 0.0, 0.2), kl_per_token=(9.0, 8.0, 10.0), **changes)}
        return [reason.passed for reason in build_alignment_reasons(report | {"method": "orpo"}, build_bounds())]

    assert judge_orpo() == [True] * 3
    assert judge_orpo(aligned_accuracy=(0.4, 0.3, 0.45)) == [False, True, True]
    assert judge_orpo(chosen_change=(-4.0, -5.0, -3.0)) == [True, False, True]
    assert judge_orpo(length_ratio=(3.0, 2.5, 3.5)) == [True, True, False]


@pytest.mark.parametrize("report", [build_report(pairs=9), {"pairs": None, "drift": None}])
def test_too_few_held_out_pairs_decide_nothing(report):
    [reason] = build_alignment_reasons(report, build_bounds())
    assert reason.passed is None
    assert "minimum_pairs is 10" in reason.en
    assert "최소" in reason.ko or "minimum_pairs" in reason.ko


def test_records_that_were_too_long_explain_why_too_few_are_held_out():
    records = {"held_out": {"pairs": 9, "answers": 0, "too_long": 41}}
    [reason] = build_alignment_reasons(build_report(pairs=9) | {"records": records}, build_bounds())
    assert reason.en.endswith("minimum_pairs is 10; left out as longer than align.max_length: 41")
    assert "align.max_length" in reason.ko


def judge_thumbs(method="kto", pairs=9, questions=10, **changes):
    report = build_report(pairs=pairs, reward_accuracy=(0.2, 0.1, 0.3)) | {"method": method}
    figures = build_report(**changes)["pairs"]
    return build_alignment_reasons(report | {"thumbs": {**figures, "questions": questions}}, build_bounds())


def test_kto_is_judged_by_held_out_thumbs_where_there_are_too_few_pairs():
    assert [reason.passed for reason in judge_thumbs()] == [True] * 4
    assert "marked good gained more than one marked bad met: 0.8" in judge_thumbs()[0].en
    assert judge_thumbs(reward_accuracy=(0.5, 0.4, 0.6))[0].passed is None
    assert judge_thumbs(chosen_change=(-4.0, -5.0, -3.0))[1].passed is False
    assert judge_thumbs(pairs=10)[0].passed is False  # enough pairs are the stricter judge


def test_too_few_thumbs_decide_nothing_and_other_methods_have_none():
    [reason] = judge_thumbs(questions=9)
    assert reason.passed is None
    assert "9 held-out pairs and thumbs for 9 held-out questions" in reason.en
    [reason] = judge_thumbs("dpo")
    assert (reason.passed, "thumbs" in reason.en) == (None, False)


def build_rewards(prompts=60, **changes):
    figures = {
        "reward": (0.1, 0.05, 0.15),
        "kl_per_token": (0.02, 0.01, 0.03),
        "length_ratio": (1.1, 0.9, 1.3),
        **changes,
    }
    values = {name: dict(zip(("value", "low", "high"), figure, strict=True)) for name, figure in figures.items()}
    rewards = {**values, "prompts": prompts, "reward": {"change": values["reward"]}}
    return {**build_report(reward_accuracy=(0.1, 0.05, 0.15), kl_per_token=(9.0, 8.0, 10.0)), "rewards": rewards}


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, [True, True, True]),
        ({"reward": (-0.1, -0.2, -0.05)}, [False, True, True]),
        ({"reward": (0.0, 0.0, 0.0)}, [False, True, True]),
        ({"reward": (0.1, 0.0, 0.2)}, [None, True, True]),
        ({"reward": (0.1, None, None)}, [None, True, True]),
        ({"kl_per_token": (0.5, 0.4, 0.6)}, [True, False, True]),
        ({"length_ratio": (3.0, 2.5, 3.5)}, [True, True, False]),
    ],
    ids=["better", "worse", "unchanged", "touches zero", "unknown", "drift", "too long"],
)
def test_rewards_are_judged_on_held_out_prompts_and_not_on_preference_pairs(changes, passed):
    reasons = build_alignment_reasons(build_rewards(**changes), build_bounds())
    assert [reason.passed for reason in reasons] == passed
    assert "mean reward on held-out prompts" in reasons[0].en


def test_drift_and_length_with_a_reward_model_are_those_on_other_instructions():
    report = build_rewards(kl_per_token=(0.5, 0.4, 0.6), length_ratio=(3.0, 2.5, 3.5)) | {"reward_model": {}}
    report["drift"] = {name: {"value": 0.6, "low": 0.5, "high": 0.7} for name in ("kl_per_token", "length_ratio")}
    reasons = build_alignment_reasons(report, build_bounds(maximum_kl_per_token=1.0))
    assert [reason.passed for reason in reasons] == [True, True, True]


def test_the_reward_must_rise_by_more_than_its_bound():
    reasons = build_alignment_reasons(build_rewards(), build_bounds(minimum_reward_change=0.1))
    assert [reason.passed for reason in reasons] == [None, True, True]
    assert "(more than 0.1 required)" in reasons[0].en


def test_too_few_held_out_prompts_decide_nothing():
    [reason] = build_alignment_reasons(build_rewards(prompts=9), build_bounds())
    assert reason.passed is None
    assert "9 held-out prompts, and align.bounds.minimum_prompts is 10" in reason.en


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
