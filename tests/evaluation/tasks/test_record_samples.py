"""Items and few-shot examples made of the records of a split: the same selection as for task files."""

from __future__ import annotations

from typing import Any

import pytest

from seodang.evaluation.tasks.loading import build_split_tasks
from seodang.evaluation.tasks.samples import Task
from seodang.evaluation.tasks.sampling import select_few_shot_examples
from seodang.records import Record, Turn, make_record

LABELS = ("긍정", "부정")


def make(
    text: str, output: str, *, task: str = "감정 분류", choices: tuple[str, ...] = LABELS, **fields: Any
) -> Record:
    return make_record(
        instruction=text, input="", output=output, source="s", task=task, cluster="c", choices=choices, **fields
    )


def build(records: list[Record], training: list[Record] | None = None) -> list[Task]:
    return build_split_tasks(records, "test", training or [])


def test_each_task_and_language_is_a_task_of_its_own_under_the_name_that_the_data_give():
    tasks = build([make("좋다", "긍정"), make("good", "긍정"), make("요약해 줘", "짧게", task="summary", choices=())])
    assert [(task.spec.name, task.spec.language, task.spec.kind) for task in tasks] == [
        ("summary", "ko", "generate"),
        ("감정 분류", "en", "choice"),
        ("감정 분류", "ko", "choice"),
    ]


def test_a_task_is_a_choice_only_if_all_its_records_have_labels():
    (task,) = build([make("좋다", "긍정"), make("설명해 줘", "이렇습니다", choices=())])
    assert (task.spec.kind, task.spec.metrics) == ("generate", ["exact_match"])


def test_a_split_with_one_class_is_evaluated_all_the_same():
    (task,) = build([make("좋다", "긍정"), make("최고", "긍정")])
    assert [sample.reference for sample in task.samples] == ["긍정", "긍정"]


def test_an_item_keeps_its_record_with_system_text_and_turns():
    record = make("그럼 이건?", "부정", system="짧게", turns=(Turn(role="user", content="안녕"),))
    (task,) = build([record])
    assert task.samples[0].record == record


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ([make("가", "긍정"), make("나", "부정", task="other")], ["가"]),
        ([make("나", "부정", task="other"), make("다", "답", task="free", choices=())], ["나"]),
        ([make("다", "답", task="free", choices=()), make("free text", "answer", task="free", choices=())], ["다"]),
        ([make("free text", "answer", task="free", choices=())], []),
    ],
    ids=["same task", "same labels", "same language", "other language"],
)
def test_few_shot_examples_are_of_the_task_else_of_its_labels_else_of_its_language(
    training: list[Record], expected: list[str]
):
    (task,) = build([make("좋다", "긍정")], training)
    assert [sample.prompt for sample in select_few_shot_examples(task, "ko", seed=1, shots=3)] == expected


def test_few_shot_examples_of_a_choice_alternate_between_its_labels():
    training = [make(f"좋음 {number}", "긍정") for number in range(20)] + [make("나쁨", "부정")]
    (task,) = build([make("그저 그렇다", "부정")], training)
    examples = select_few_shot_examples(task, "ko", seed=1, shots=2)
    assert [sample.reference for sample in examples] == ["긍정", "부정"]


def test_options_of_each_record_alternate_by_their_position():
    training = [make(f"무엇? {n}", f"답{n}", task="qa", choices=(f"답{n}", f"오답{n}")) for n in range(9)]
    training.append(make("무엇? 끝", "끝답", task="qa", choices=("오답", "끝답")))
    (task,) = build([make("어느 것?", "ㄱ", task="qa", choices=("ㄱ", "ㄴ"))], training)
    examples = select_few_shot_examples(task, "ko", seed=1, shots=2)
    assert [sample.choices.index(sample.reference) for sample in examples] == [0, 1]


def test_a_training_record_with_the_prompt_of_an_item_is_no_few_shot_example():
    (task,) = build([make("좋다", "긍정")], [make(" 좋 다", "긍정"), make("나쁘다", "부정")])
    assert ([sample.prompt for sample in task.few_shot_pool], task.leak_count) == (["나쁘다"], 1)
