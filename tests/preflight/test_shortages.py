"""Rules that too few items would leave undecided are found before training, with the values that would do."""

import pytest
from tests.fixtures import gate as gate_fixtures

from seodang.config import EvaluateParams, GateParams
from seodang.config.load import resolve_params
from seodang.preflight.evaluated_tasks import EvaluatedTask
from seodang.preflight.shortages import find_shortages

RULE = {**gate_fixtures.RULE, "metric": "chrf", "tasks": ["faq"]}


def gate(*rules, **changes):
    defaults = resolve_params({})["gate"]
    return GateParams.model_validate({**defaults, "rules": [{**RULE, **rule} for rule in rules or ({},)], **changes})


def evaluate(**changes):
    return EvaluateParams.model_validate({**resolve_params({})["evaluate"], **changes})


def task(records, answers, *, language="ko", name="faq", grows=True):
    return EvaluatedTask(
        name=name,
        language=language,
        split="test",
        is_choice=False,
        records=records,
        grows_with_test_ratio=grows,
        items={"chrf": answers, "eos_rate": answers, "loss": records},
        generation_limit="generations_per_free_text_task",
    )


def test_the_same_test_against_base_and_champion_is_one_problem():
    rules = gate({}, {"against": "champion", "test": "non_inferiority", "margin": 2.0})
    assert len(find_shortages(rules, [task(126, 10)], evaluate(), 0.15)) == 1


def test_too_few_free_answers_name_the_parameter_and_its_value():
    [problem] = find_shortages(gate(), [task(126, 10)], evaluate(), 0.15)
    assert "10 items will be scored, and the test needs 100" in problem
    assert "evaluate.generations_per_free_text_task: 100" in problem
    assert "minimum_items" not in problem  # ten items decide nothing


def test_the_value_that_is_named_would_do():
    tasks = [task(126, 10), task(30, 10, language="en")]
    [problem] = find_shortages(gate(), tasks, evaluate(), 0.15)
    value = int(problem.partition("generations_per_free_text_task: ")[2].partition(",")[0])
    assert min(126, value) + min(30, value) >= 100
    assert min(126, value - 1) + min(30, value - 1) < 100


def test_too_few_test_records_name_the_test_ratio_or_the_records_to_add():
    [problem] = find_shortages(gate(), [task(45, 45)], evaluate(), 0.15)
    assert "prepare.test_ratio: 0.34" in problem
    assert "55 more test records" in problem
    assert "gate.minimum_items: 45" in problem


def test_a_frozen_test_set_does_not_grow_with_the_test_ratio():
    [problem] = find_shortages(gate(), [task(45, 45, grows=False)], evaluate(), 0.15)
    assert "test_ratio" not in problem
    assert "55 more test records" in problem


def test_a_threshold_that_not_even_perfect_answers_meet_names_the_items_it_needs():
    threshold = {"metric": "eos_rate", "minimum": 0.95, "maximum": None, "tasks": ["faq"]}
    rules = gate({"metric": "loss"}, thresholds=[threshold], minimum_items=20)
    [problem] = find_shortages(rules, [task(126, 50)], evaluate(), 0.15)
    assert "50 items will be scored, and the test needs 72" in problem


def test_a_rule_per_language_names_the_languages_that_there_are():
    [problem] = find_shortages(gate({"group_by": "language"}), [task(126, 126)], evaluate(), 0.15)
    assert "no item of en" in problem
    assert "groups: [ko]" in problem


@pytest.mark.parametrize("group_by", ["all", "task"])
def test_enough_items_are_no_problem(group_by):
    assert find_shortages(gate({"group_by": group_by}), [task(126, 100)], evaluate(), 0.15) == []
