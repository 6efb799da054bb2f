from dataclasses import replace

import pytest
from tests.synthesis.scripted_recipe import PARAMS, ScriptedRecipe

from seodang.config.recipe import GenerateParams
from seodang.io.jsonl import write_rows
from seodang.synthesis.budget import bound_tokens
from seodang.synthesis.calls import Message
from seodang.synthesis.journal import JournalState
from seodang.synthesis.plan import plan_run
from seodang.synthesis.recipe_calls import Asker, CallRound
from seodang.synthesis.recipes import build_recipe


def make_params(**changes):
    return GenerateParams.model_validate(
        {**PARAMS, **{name: {**PARAMS[name], **each} for name, each in changes.items()}}
    )


def answer(state, calls, seconds=2.0):
    """Journal an answer to each call: a third of the tokens that were reserved."""
    for call in calls:
        state.apply({"event": "asked", "key": call.key, "prompt_tokens": 90, "completion_tokens": 9})
        fields = {"text": "ok", "finish_reason": "stop", "model": "m", "received": "2026-11-30T00:00:00+00:00"}
        usage = {"prompt_tokens": 30, "completion_tokens": 3}
        state.apply({"event": "reply", "key": call.key, "seconds": seconds, **fields, **usage})


def test_without_replies_the_plan_counts_each_reply_with_its_maximum():
    plan = plan_run(ScriptedRecipe(10, 3), make_params(), JournalState())
    assert (plan.calls, plan.replayed, plan.most.reply, plan.expected.reply) == (30, 0, 300, 300)
    assert plan.expected.prompt < plan.most.prompt
    assert plan.seconds == pytest.approx(300 / 50 / 4)
    assert plan.fits_budget
    assert not plan.is_measured


def test_rounds_that_the_journal_has_are_done_and_the_rest_is_expected_at_their_ratio_and_speed():
    state = JournalState()
    recipe = ScriptedRecipe(10, 3)
    answer(state, recipe.name_calls())
    plan = plan_run(ScriptedRecipe(10, 3), make_params(), state)
    assert (plan.replayed, plan.most.reply) == (10, 200)
    assert plan.expected.reply == round(200 / 3)
    assert plan.expected.prompt == round(plan.most.prompt / 3)
    assert plan.seconds == 2.0 * 20 / 4
    assert plan.spent == (300, 30)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [({"requests_per_minute": 10}, 180.0), ({"tokens_per_minute": 1}, None)],
    ids=["calls", "tokens"],
)
def test_limits_per_minute_make_the_plan_longer(limits, seconds):
    plan = plan_run(ScriptedRecipe(10, 3), make_params(limits=limits), JournalState())
    assert plan.seconds == (seconds or 60.0 * plan.expected.total)


def test_a_budget_that_may_not_be_enough_is_known_before():
    assert not plan_run(ScriptedRecipe(10, 3), make_params(budget={"tokens": 400}), JournalState()).fits_budget
    prices = {"currency": "USD", "prompt": 1.0, "reply": 1.0}
    raw = {**PARAMS, "prices": prices, "budget": {"tokens": None, "money": 0.001}}
    plan = plan_run(ScriptedRecipe(10, 3), GenerateParams.model_validate(raw), JournalState())
    assert not plan.fits_budget
    assert plan.most_cost > plan.expected_cost > 0


def test_a_call_without_an_answer_is_asked_again_in_the_plan_only_if_its_failure_is_forgotten():
    state = JournalState()
    first, *others = ScriptedRecipe(10).name_calls()
    answer(state, others)
    state.apply({"event": "failure", "key": first.key, "reason": "no_answer", "detail": ""})
    assert plan_run(ScriptedRecipe(10), make_params(), state).replayed == 10
    assert state.forget_failures() == [{"event": "forgotten", "key": first.key}]
    plan = plan_run(ScriptedRecipe(10), make_params(), state)
    assert (plan.replayed, plan.most.reply) == (9, 10)


def test_the_plan_of_a_call_with_a_schema_is_at_least_what_the_budget_reserves():
    asker = Asker(make_params())
    schema = {"type": "object", "description": "x" * 500}
    calls = [asker.ask([Message(role="user", content="질문")], number=number, schema=schema) for number in range(3)]
    plan = plan_run(CallRound(calls), make_params(), JournalState())
    assert plan.most.total >= sum(bound_tokens(call).total for call in calls) > 1500


def test_a_recipe_that_has_ended_leaves_nothing_to_ask_however_few_calls_it_took():
    state = JournalState()
    recipe = ScriptedRecipe(10, 3)
    answer(state, recipe.name_calls())
    shorter = ScriptedRecipe(10, 1)
    shorter.estimate = recipe.estimate  # it could have asked more
    plan = plan_run(shorter, make_params(budget={"tokens": 400}), state)
    assert (plan.calls, plan.replayed, plan.most, plan.expected, plan.seconds) == (30, 10, (0, 0), (0, 0), 0.0)
    assert plan.fits_budget


def test_the_most_of_a_later_round_counts_its_longer_calls(make_recipe_params, tmp_path):
    write_rows(tmp_path / "prompts.jsonl", [{"instruction": f"{number}번 질문", "input": ""} for number in range(4)])
    params = make_recipe_params("preference", max_tokens=500)
    state, recipe = JournalState(), build_recipe(params, tmp_path)
    calls = recipe.name_calls()
    answer(state, calls)
    for number, call in enumerate(calls):
        state.outcomes[call.key] = replace(state.outcomes[call.key], text=f"{number} " + "가" * 600)
    recipe.take([state.outcomes[call.key] for call in calls])
    verdicts = recipe.name_calls()
    plan = plan_run(build_recipe(params, tmp_path), params, state)
    assert plan.replayed == len(calls) == len(verdicts) == 8
    assert plan.most.prompt >= sum(bound_tokens(call).prompt for call in verdicts)


def test_a_teacher_that_counts_more_than_a_call_can_use_makes_the_most_as_high_as_what_is_expected():
    state = JournalState()
    call = ScriptedRecipe(10).name_calls()[0]
    state.apply({"event": "asked", "key": call.key, "prompt_tokens": 90, "completion_tokens": 10})
    fields = {"text": "ok", "finish_reason": "stop", "model": "m", "received": "2026-11-30T00:00:00+00:00"}
    usage = {"prompt_tokens": 30, "completion_tokens": 50}
    state.apply({"event": "reply", "key": call.key, "seconds": 1.0, **fields, **usage})
    plan = plan_run(ScriptedRecipe(10), make_params(), state)
    assert plan.most.reply == plan.expected.reply == 450
    assert plan.most.prompt > plan.expected.prompt
