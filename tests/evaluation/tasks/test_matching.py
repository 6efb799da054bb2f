"""Extraction and comparison of free answers, as lm-evaluation-harness does.

Run: pytest tests/evaluation/tasks/test_matching.py
"""

import pytest

from seodang.errors import ParamsError
from seodang.evaluation.tasks.matching import Matching, is_match, truncate_raw_answer
from seodang.evaluation.tasks.math_answers import is_equal_math_answer

TEXT = {"rule": "text", "pattern": None, "ignore_case": False, "ignore_punctuation": False, "ignore": []}
LETTER = {**TEXT, "pattern": "([A-E]).*", "ignore_case": True, "ignore_punctuation": True}


@pytest.mark.parametrize(
    ("settings", "answer", "expected"),
    [
        (TEXT, "A", True),
        (TEXT, " A", False),
        ({**TEXT, "ignore": [" "]}, " A ", True),
        ({**TEXT, "ignore": [" "]}, "\nA", False),
        ({**TEXT, "ignore_case": True}, "a", True),
        ({**TEXT, "ignore_punctuation": True}, "(A).", True),
        (LETTER, "답변: A입니다. B는 아닙니다.", True),
        (LETTER, "B가 아니라 A입니다", False),
        (LETTER, "모르겠습니다", False),
        (LETTER, "", False),
    ],
)
def test_a_text_answer_is_compared_as_the_task_file_says(settings, answer, expected):
    assert is_match(Matching(**settings), answer, "A") is expected


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("따라서 $\\boxed{18}$", "18", True),
        ("\\boxed{18.0}", "18", True),
        ("\\boxed{x = 18}", "18.0", True),
        ("\\boxed{\\dfrac12}", "0.5", True),
        ("정답은 $7$ 이고 확실하다", "7", True),
        ("x = 3.5.", "3.5", True),
        ("12개에서 5개를 빼면 7", "7", True),
        ("\\boxed{17}", "18", False),
        ("모르겠다", "18", False),
        ("\\boxed{18", "18", False),
        ("\\boxed{-4}", "-4", False),  # the harness's rule: a reference without a box loses its sign
    ],
)
def test_mathematical_answers_are_compared_by_their_last_result(answer, reference, expected):
    assert is_equal_math_answer(answer, reference) is expected


def test_a_stop_text_at_the_beginning_leaves_nothing():
    assert truncate_raw_answer("\n\nA", ["\n\n"]) == ""
    assert truncate_raw_answer(" A. B", [".", "\n\n"]) == " A"
    assert truncate_raw_answer(" A", []) == " A"


def test_a_task_file_with_a_broken_pattern_or_without_its_metric_is_refused(build_free_spec):
    with pytest.raises(ParamsError, match="is not a regular expression"):
        build_free_spec(matching={**TEXT, "pattern": "(["})
    with pytest.raises(ParamsError, match="matching belongs to the metric exact_match"):
        build_free_spec(matching=TEXT, metrics=["eos_rate"])


def test_matching_decides_exact_match_of_an_item(build_free_spec, build_task, tmp_path):
    from seodang.evaluation.tasks.scoring import compute_answer_metrics

    spec = build_free_spec(matching=LETTER)
    [sample] = build_task(spec, [{"text": "질문", "label": "A"}], folder=tmp_path).samples
    assert compute_answer_metrics(spec, sample, "답변: A", has_eos=True)["exact_match"] == 1
