"""Strict and loose checks."""

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.checking import (
    InstructionResult,
    check_instructions,
    find_instruction_errors,
    iter_loose_answers,
)

NO_COMMA, QUOTED = "punctuation:no_comma", "startend:quotation"


def test_each_instruction_of_a_prompt_has_its_verdict():
    assert check_instructions([NO_COMMA, QUOTED], [{}, {}], '"a, b"') == InstructionResult((False, True), (False, True))


def test_a_blank_answer_follows_nothing():
    assert check_instructions([NO_COMMA], [{}], " \n") == InstructionResult((False,), (False,))


def test_an_opening_line_and_bold_type_are_forgiven_loosely():
    assert check_instructions([NO_COMMA], [{}], "Sure, here it is:\nAll is well.") == InstructionResult(
        (False,), (True,)
    )
    assert check_instructions([QUOTED], [{}], '네, 답입니다:\n"봄이 왔다."\n도움이 되었기를!') == InstructionResult(
        (False,), (True,)
    )
    assert check_instructions([QUOTED], [{}], '**"Yes."**') == InstructionResult((False,), (True,))


def test_what_is_followed_strictly_is_followed_loosely():
    bullets = "detectable_format:number_bullet_lists"
    assert check_instructions([bullets], [{"num_bullets": 1}], "* one") == InstructionResult((True,), (True,))


def test_the_eight_variants_are_those_of_the_paper():
    assert set(iter_loose_answers("a*\nb\nc")) == {"a*\nb\nc", "a\nb\nc", "b\nc", "a*\nb", "a\nb", "b"}
    assert len(list(iter_loose_answers("a"))) == 8


def test_arguments_that_are_null_are_passed_over():
    assert check_instructions([NO_COMMA], [{"num_words": None, "relation": None}], "a").strict == (True,)


def test_one_message_lists_all_errors_of_the_instructions():
    with pytest.raises(EvaluationError) as error:
        check_instructions(["magic:trick", "length_constraints:number_words", NO_COMMA], [{}, {}, "x"], "a")
    for part in (
        "magic:trick: there is no rule",
        "length_constraints:number_words: the argument",
        "its arguments must be an object",
    ):
        assert part in str(error.value)
    assert (
        find_instruction_errors([NO_COMMA], [])
        == find_instruction_errors([], [])
        == find_instruction_errors(NO_COMMA, [{}])
        != []
    )
