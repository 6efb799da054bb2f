"""KBL and KMMLU ask, stop and compare as the task files of lm-evaluation-harness 0.4.13 do.

The checksums are of the harness's own files (description and doc_to_text), read from the package.
benchmarks/korean_tasks.py runs both tools on the same rows.
"""

import hashlib

import pytest
from tests.constants import ROOT

from seodang.evaluation.tasks.spec import load_specs
from seodang.evaluation.tasks.templates import render

PROMPTS = {
    "kbl_bar_exam_civil": "ebe9b3ab8daa118c",
    "kbl_bar_exam_criminal": "ebe9b3ab8daa118c",
    "kbl_bar_exam_public": "ebe9b3ab8daa118c",
    "kbl_bar_exam_responsibility": "31f658d1ca8c4a25",
    "kbl_common_legal_mistake_qa": "947f944fd93315ae",
    "kbl_common_legal_mistake_qa_reasoning": "947f944fd93315ae",
    "kbl_legal_concept_qa": "e7cdd354a615f1fb",
    "kbl_offense_component_qa": "f42e2403a2fadd86",
    "kbl_query_and_statute_matching_qa": "0e6000b48d5756d6",
    "kbl_statute_hallucination_qa": "94677258a159b242",
    "kbl_statute_number_and_content_matching_qa": "19e21e0157b2be2d",
    "kbl_case_relevance_qa_p": "3d2837f8978907da",
    "kbl_case_relevance_qa_q": "52186cf101e65c99",
    "kbl_causal_reasoning_qa": "9e01e110ca9171db",
    "kbl_statement_consistency_qa": "662d5d6a357ea877",
    "kmmlu": "a21dcedb1b6b344c",
    "kmmlu_hard": "a21dcedb1b6b344c",
    "kmmlu_direct": "a21dcedb1b6b344c",
    "kmmlu_direct_hard": "a21dcedb1b6b344c",
}
LETTERS = {"kbl_bar_exam_responsibility": "([A-D]).*"}
WITH_PUNCTUATION = {"case_relevance_qa_p", "case_relevance_qa_q", "causal_reasoning_qa", "statement_consistency_qa"}


@pytest.mark.parametrize("task", PROMPTS)
def test_the_prompt_is_the_one_of_the_harness(task):
    [spec] = load_specs(ROOT / "tasks", [task])
    [prompt] = spec.prompts.values()
    assert hashlib.sha256(prompt.encode()).hexdigest()[:16] == PROMPTS[task]
    assert "0.4.13" in spec.source.definition
    assert (spec.delimiter, spec.data.few_shot_file) == (" ", None)


@pytest.mark.parametrize("task", [task for task in PROMPTS if task.startswith("kbl")])
def test_kbl_takes_the_first_letter_up_to_a_blank_line(task):
    [spec] = load_specs(ROOT / "tasks", [task])
    letters = LETTERS.get(task, "([A-E]).*")[2:5].replace("-", "")
    column = "gt" if "bar_exam" in task else "label"
    assert [render(spec.answer, {column: letter}) for letter in letters] == list(letters)
    assert (spec.until, spec.max_new_tokens) == (["\n\n"], 256)
    assert spec.matching.pattern == LETTERS.get(task, "([A-E]).*")
    assert spec.matching.ignore_case
    assert spec.matching.ignore_punctuation == (task.removeprefix("kbl_") not in WITH_PUNCTUATION)
    assert (spec.normalise, spec.metrics[0], spec.matching.ignore) == ("none", "exact_match", [])


@pytest.mark.parametrize("task", [task for task in PROMPTS if task.startswith("kmmlu")])
def test_kmmlu_compares_letters(task):
    [spec] = load_specs(ROOT / "tasks", [task])
    if "direct" not in task:
        assert (spec.options, spec.answer) == ({"1": "A", "2": "B", "3": "C", "4": "D"}, "{{answer}}")
        assert (spec.normalise, spec.metrics) == ("none", ["accuracy"])
        return
    assert [render(spec.answer, {"answer": number}) for number in (1, 2, 3, 4)] == list("ABCD")
    assert (spec.until, spec.max_new_tokens) == (["Q:", "\n\n", "</s>", "."], 256)
    assert (spec.matching.pattern, spec.matching.ignore) == (None, [" "])
    assert spec.matching.ignore_case
    assert spec.matching.ignore_punctuation
