"""Retention tasks and replay: shared instructions are found, replayed and other kinds are reported apart."""

import pytest

from seodang.evaluation.forgetting import build_retention_warnings, find_shared_instructions, normalize_instruction
from seodang.evaluation.samples import select_task_samples
from seodang.evaluation.tasks.samples import Task, build_samples
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.records import make_record

SPEC = {
    "name": "kept", "kind": "generate", "language": "ko", "cluster": "retention",
    "data": {"file": "x.jsonl", "few_shot_file": None, "id": None, "columns": {}, "where": None},
    "prompts": {"plain": "{{instruction}}"}, "input": "{{input}}", "answer": "{{output}}", "options": {}, "delimiter": " ",
    "separator": "\n\n", "normalise": "none", "max_new_tokens": None, "until": [], "metrics": ["exact_match"], "extra": [],
    "limit": None, "stratified": False,
}  # fmt: skip
ROW = {"instruction": "'나무' 다음 낱말은 무엇인가요?", "input": "나무 위에 새", "output": "위에"}


@pytest.fixture
def make_task(make_evaluate_params):
    def make(**changes):
        spec = TaskSpec.model_validate({**SPEC, **changes})
        (samples,) = select_task_samples(
            Task(spec, build_samples(spec, [ROW]).samples, []), "task", make_evaluate_params()
        )
        return samples

    return make


def replay(instruction):
    return make_record(instruction=instruction, input="꽃 옆", output="옆", source="practice", task="p", cluster="p")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("다음에 올 수를 쓰세요.", "다음에 올 수를 쓰세요"),
        ("Which  word follows 'a tree'?", "which word follows 'the sea'"),
        ("3번째 낱말은?", "12번째 낱말은?"),
    ],
)
def test_instructions_of_one_template_are_equal_after_normalization(left, right):
    assert normalize_instruction(left) == normalize_instruction(right)


def test_a_shared_template_is_reported_with_the_source_that_replays_it(make_task):
    (warning,) = build_retention_warnings([make_task()], [replay("'꽃' 다음 낱말은 무엇인가요?")])
    assert warning.values["source"] == "practice"
    assert "kept" in warning.to_json()["en"]


def test_an_instruction_with_the_input_below_it_is_found_too(make_task):
    task = make_task(prompts={"plain": "{{instruction}}\n{{input}}"}, input="")
    assert find_shared_instructions(task, [replay("'꽃' 다음 낱말은 무엇인가요?")])


def test_other_instructions_and_tasks_that_say_that_they_are_replayed_are_not_reported(make_task):
    assert build_retention_warnings([make_task()], [replay("첫 낱말을 쓰세요.")]) == []
    assert build_retention_warnings([make_task(cluster="replayed")], [replay("'꽃' 다음 낱말은 무엇인가요?")]) == []


def test_the_input_of_a_task_file_has_the_place_that_the_prompt_format_gives_it(make_task):
    task = make_task()
    assert (task.records[0].instruction, task.records[0].input) == (ROW["instruction"], ROW["input"])
    assert task.samples[0].prompts["plain"] == f"{ROW['instruction']}\n{ROW['input']}"
