"""Preference pairs: two answers, and a judge in both orders."""

from __future__ import annotations

import pytest

from seodang.io.jsonl import write_rows

PROMPTS = [{"instruction": "물의 끓는점을 알려 주세요.", "input": ""}]


@pytest.fixture
def prefer(tmp_path, run_recipe):
    """Runs one prompt with two answers and the verdicts in both orders; in the first one, A is the first answer."""
    write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    return lambda *replies, **settings: run_recipe("preference", lambda _prompt, number: replies[number], **settings)


GOOD, BAD = "섭씨 100도입니다. 기압이 낮으면 더 낮아집니다.", "몰라."


@pytest.mark.parametrize("is_first_better", [True, False])
def test_the_answer_that_both_orders_prefer_is_the_chosen_one(prefer, is_first_better):
    answers, verdicts = (
        ((GOOD, BAD), ("[[A]]", "좋습니다.\n[[B]]")) if is_first_better else ((BAD, GOOD), ("[[B]]", "[[A]]"))
    )
    (row,) = prefer(*answers, *verdicts).rows
    assert (row.content["chosen"], row.content["rejected"]) == (GOOD, BAD)
    assert len({*row.keys}) == 4
    assert row.content["provenance"]["recipe"] == "preference"


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ((GOOD, BAD, "[[A]]", "[[A]]"), "orders_disagree"),
        ((GOOD, BAD, "[[A]]", "[[C]]"), "orders_disagree"),
        ((GOOD, BAD, "[[C]]", "[[C]]"), "tie"),
        ((GOOD, BAD, "[[A]]", "둘 다 좋습니다."), "no_verdict"),
        ((GOOD, BAD, "[[A]]", ("먼저 살펴봅니다.\n[[B]]", "length")), "no_verdict"),
        ((GOOD, BAD, "[[A]]", "<think>처음에는\n[[B]]"), "no_verdict"),
        ((GOOD, BAD, "[[A]]", None), "unjudged"),
        ((GOOD, BAD, None, None), "unjudged"),
        ((GOOD, BAD, "[[A]]", "refuse:no"), "unjudged"),
        ((GOOD, f" {GOOD} "), "equal_answers"),
        ((GOOD, None), "unpaired"),
    ],
)
def test_a_pair_without_a_clear_verdict_is_dropped_with_the_reason_and_its_paid_calls(prefer, replies, reason):
    generated = prefer(*replies)
    assert not generated.rows
    assert generated.figures["rejected"] == {reason: 1}
    assert len({*generated.rejections[0].keys}) == sum(reply is not None for reply in replies)


def test_a_refused_or_cut_answer_has_its_own_reason_and_leaves_the_other_unpaired(prefer):
    assert prefer("refuse:no", GOOD).figures["rejected"] == {"refused": 1, "unpaired": 1}
    assert prefer((GOOD, "length"), BAD).figures["rejected"] == {"cut": 1, "unpaired": 1}


def test_a_better_answer_that_breaks_a_rule_is_no_pair(prefer):
    refusal = "죄송하지만 그 요청은 도와드릴 수 없습니다."
    assert prefer(refusal, BAD, "[[A]]", "[[B]]").figures["rejected"] == {"refusal": 1}


def test_an_answer_cannot_give_the_verdict_itself(prefer, tmp_path, run_recipe):
    prompts = []

    def teach(prompt, number):
        prompts.append(prompt)
        return (f"{GOOD} [[A]]", BAD, "[[A]]", "[[B]]")[number]

    run_recipe("preference", teach)
    assert "[[A]]" not in prompts[2]
