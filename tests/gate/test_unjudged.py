"""Scores that no rule judges: a clear fall is a note of the verdict, and does not change it."""

import numpy as np
import pytest
from tests.fixtures.gate import build_gate

from seodang.gate.coverage import TrainedTask
from seodang.gate.decision import decide
from seodang.gate.pairing import pair_scores
from seodang.gate.scores import Score, ScoreKey

RULE = {"against": "champion", "tasks": ["a"]}


def build_scores(task, right, *, count=200, language="en", metric="accuracy", is_task_file=False, offset=0):
    """Return binary scores of which a share is right, spread so that differences are no runs."""
    order = np.random.default_rng(count + offset).permutation(count)
    return {
        ScoreKey(task, f"{language}{number:04}", metric): Score(
            language, float(order[number] < right * count), is_task_file=is_task_file
        )
        for number in range(count)
    }


def build_values(task, mean, *, metric="loss", count=200, seed=0):
    values = np.random.default_rng(seed).normal(mean, 0.3, count)
    return {ScoreKey(task, f"en{n:04}", metric): Score("en", abs(float(value))) for n, value in enumerate(values)}


def judge(candidate, champion, *rules, kind="champion", tasks=(), **changes):
    """Return the decision with a rule about task a, or with other rules."""
    gate = build_gate(*(rules or (RULE,)), **changes)
    name = "champion v0.1.0" if kind == "champion" else "zero_shot/plain"
    return decide({kind: [(name, pair_scores(candidate, champion, kind))]}, gate, tasks=tasks)


def list_notes(decision):
    return [reason.en for reason in decision.reasons if reason.is_information]


BETTER, WORSE = build_scores("a", 0.9), build_scores("a", 0.5)


def test_a_clear_fall_of_a_task_without_a_rule_is_a_note_with_its_numbers():
    decision = judge(BETTER | build_scores("b", 0.6), WORSE | build_scores("b", 0.9))
    assert decision.verdict == "promote"
    fall, names = list_notes(decision)
    assert fall.startswith(
        "accuracy b is clearly worse: champion v0.1.0 0.9000 → candidate 0.6000, difference -0.3000, 95% interval [-0.3"
    )
    assert "200 items. No rule against the champion and no threshold judges it" in fall
    assert names == "the verdict says nothing about the task b: no rule and no threshold looks at it"
    [result] = decision.unjudged
    assert (result.tasks, result.metric, result.items) == (("b",), "accuracy", 200)


def test_scores_that_do_not_fall_clearly_are_only_named():
    decision = judge(BETTER | build_scores("b", 0.9), WORSE | build_scores("b", 0.92, offset=0))
    assert list_notes(decision) == ["the verdict says nothing about the task b: no rule and no threshold looks at it"]
    assert decision.unjudged == []


def test_a_metric_that_no_rule_uses_is_named_and_its_fall_shown():
    decision = judge(BETTER | build_values("a", 3.0), WORSE | build_values("a", 2.0, seed=1))
    fall, names = list_notes(decision)
    assert fall.startswith("loss a is clearly worse: champion v0.1.0 1.9779 → candidate 3.0046")
    assert ", difference +" in fall
    assert names == "no rule and no threshold uses the metric loss"


def test_a_language_that_falls_within_a_total_is_a_note():
    candidate = BETTER | build_scores("a", 0.6, language="ko", count=100)
    champion = build_scores("a", 0.4) | build_scores("a", 0.9, language="ko", count=100)
    decision = judge(candidate, champion)
    assert decision.verdict == "promote"
    [note] = list_notes(decision)
    assert note.startswith("accuracy [ko] is clearly worse: champion v0.1.0 0.9000 → candidate 0.6000")
    assert note.endswith("Rules judge these items only together with others")


@pytest.mark.parametrize("rule", [{"group_by": "task", "tasks": ["a", "b"]}, {"tasks": ["b"], "margin": 0.5}])
def test_a_task_with_a_test_of_its_own_has_no_note(rule):
    decision = judge(
        BETTER | build_scores("b", 0.6),
        WORSE | build_scores("b", 0.9),
        RULE,
        {"against": "champion", "test": "non_inferiority", **rule},
    )
    assert decision.unjudged == []


def test_a_threshold_about_a_task_judges_it():
    threshold = {"metric": "accuracy", "minimum": 0.5, "maximum": None, "tasks": ["b"]}
    decision = judge(BETTER | build_scores("b", 0.6), WORSE | build_scores("b", 0.9), thresholds=[threshold])
    assert decision.verdict == "promote"
    assert list_notes(decision) == []


def test_a_task_that_only_a_rule_against_the_base_judges_may_fall_below_the_champion():
    candidate = BETTER | build_scores("b", 0.6)
    pairs = {
        "base": [("zero_shot/plain", pair_scores(candidate, WORSE | build_scores("b", 0.3), "base"))],
        "champion": [("champion v0.1.0", pair_scores(candidate, WORSE | build_scores("b", 0.9), "champion"))],
    }
    decision = decide(pairs, build_gate({"tasks": ["a"]}, {"tasks": ["b"]}, RULE))
    assert decision.verdict == "promote"
    [note] = list_notes(decision)
    assert note.startswith("accuracy b is clearly worse: champion v0.1.0 0.9000")


def test_a_task_file_that_no_rule_names_falls_below_the_base():
    candidate = BETTER | build_scores("kobest", 0.4, is_task_file=True)
    base = WORSE | build_scores("kobest", 0.8, is_task_file=True)
    notes = list_notes(judge(candidate, base, {"tasks": []}, kind="base"))
    assert notes[0].startswith("accuracy kobest is clearly worse: zero_shot/plain 0.8000")
    assert "No rule against the base model" in notes[0]


def test_a_metric_of_unknown_direction_changes():
    candidate = BETTER | build_values("a", 1.0, metric="charm")
    decision = judge(candidate, WORSE | build_values("a", 5.0, metric="charm", seed=1))
    assert list_notes(decision)[0].startswith("charm a changed clearly: champion v0.1.0 4.9779")


def test_many_falls_are_counted_beyond_ten():
    names = [f"t{number:02}" for number in range(14)]
    candidate, champion = dict(BETTER), dict(WORSE)
    for name in names:
        candidate |= build_scores(name, 0.4)
        champion |= build_scores(name, 0.9)
    notes = list_notes(judge(candidate, champion))
    assert sum("is clearly worse" in note for note in notes) == 10
    assert any(note.startswith("4 more of such changes") for note in notes)


def test_equal_models_have_hardly_any_note():
    """Holm's correction: one note in 20 histories by luck, however many tasks there are."""
    rng = np.random.default_rng(3)
    noted = 0
    for _history in range(40):
        candidate, champion = dict(BETTER), dict(WORSE)
        for task in range(12):
            for scores in (candidate, champion):
                scores |= {
                    ScoreKey(f"t{task}", f"{item}", "accuracy"): Score("en", float(rng.random() < 0.7))
                    for item in range(60)
                }
        noted += bool(judge(candidate, champion, resamples=1000).unjudged)
    assert noted <= 4


def test_a_permission_about_a_name_that_does_not_exist_is_a_note():
    [note] = list_notes(judge(BETTER, WORSE, unjudged_tasks=["aa"]))
    assert note == "unjudged_tasks names aa, which no score has; the tasks are a"


def test_a_permitted_task_is_not_named_again_but_its_fall_is_shown():
    task = TrainedTask(name="b", kind="choice", source="b", training_records=9, test_records=200, items={})
    decision = judge(
        BETTER | build_scores("b", 0.6), WORSE | build_scores("b", 0.9), tasks=[task], unjudged_tasks=["b"]
    )
    permitted, fall = list_notes(decision)
    assert "goes unjudged, as gate.unjudged_tasks permits" in permitted
    assert fall.startswith("accuracy b is clearly worse")


def test_the_notes_exist_in_korean():
    decision = judge(BETTER | build_scores("b", 0.6), WORSE | build_scores("b", 0.9))
    notes = [reason.ko for reason in decision.reasons if reason.is_information]
    assert notes[0].startswith("accuracy b 뚜렷이 나빠짐: champion v0.1.0 0.9000 → 후보 0.6000")
