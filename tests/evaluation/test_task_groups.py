"""Items of task files that depend on each other are in one group."""

from dataclasses import replace

import pytest

from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.evaluation.samples import select_task_samples
from seodang.evaluation.task_groups import assign_groups
from seodang.evaluation.tasks.loading import load_record_task

PASSAGES = (
    "서울의 북쪽에는 오래된 성곽이 있고, 봄마다 그 길을 따라 걷는 사람이 많다.",
    "The lighthouse keeper wrote down the weather of every single day for forty years.",
    "강릉의 바닷가에는 소나무 숲이 길게 이어져 있어서 여름에도 시원하다.",
)


@pytest.fixture
def group_rows(tmp_path, build_spec, build_task, make_evaluate_params):
    """Returns the groups of rows, by the id of a row, for one task or several."""

    def group_rows(*tasks):
        samples = []
        for number, (rows, changes) in enumerate(tasks):
            data = {"id": "{{id}}", **changes.pop("data", {})}
            spec = build_spec(data=data, **changes).model_copy(update={"name": f"task{number}"})
            built = build_task(
                spec, [{"label": str(index % 2), **row} for index, row in enumerate(rows)], folder=tmp_path
            )
            samples += select_task_samples(built, TASK_FILE_SPLIT, make_evaluate_params(items_per_task=2000))
        return {record.id: record.group for task in assign_groups(samples) for record in task.records}

    return group_rows


def count_groups(groups):
    return len({group or f"alone {item}" for item, group in groups.items()})


def test_questions_about_one_passage_are_a_group(group_rows):
    rows = [
        {"id": f"{passage}-{question}", "text": PASSAGES[passage], "question": f"{question}번 질문인가요?"}
        for passage in range(3)
        for question in range(4)
    ]
    groups = group_rows((rows, {"prompts": {"plain": "{{text}}\n질문: {{question}}"}}))
    assert count_groups(groups) == 3
    assert len({groups[f"1-{question}"] for question in range(4)}) == 1


def test_a_task_file_can_name_the_group_of_a_row(group_rows):
    rows = [{"id": str(number), "text": f"글 {number}", "passage": number // 2 or ""} for number in range(6)]
    groups = group_rows((rows, {"data": {"group": "{{passage}}"}}))
    assert groups["0"] == groups["1"] == ""  # a blank name: independent
    assert groups["2"] == groups["3"] != ""
    assert groups["4"] == groups["5"] not in ("", groups["2"])


def test_named_groups_take_the_place_of_what_the_texts_show(group_rows):
    rows = [{"id": str(number), "text": PASSAGES[0] + " " * number} for number in range(4)]
    assert count_groups(group_rows((rows, {}))) == 1
    assert count_groups(group_rows((rows, {"data": {"group": "{{id}}"}}))) == 4


def test_short_texts_and_questions_that_many_items_share_link_nothing(group_rows):
    rows = [
        {
            "id": f"{number}-{kind}",
            "text": f"낱말{number} 둘 셋",
            "question": ("첫 낱말을 쓰세요.", "끝 글자를 쓰세요.")[kind],
        }
        for number in range(12)
        for kind in range(2)
    ]
    changes = {"prompts": {"plain": "{{question}}\n{{text}}"}}
    assert count_groups(group_rows((rows, changes))) == 24


def test_only_the_input_is_a_passage_where_the_task_file_has_one(group_rows):
    rows = [
        {"id": str(number), "question": "Which of these words is the first one?", "text": f"word{number} and so on"}
        for number in range(8)
    ]
    assert count_groups(group_rows((rows, {"prompts": {"plain": "{{question}}"}, "input": "{{text}}"}))) == 8


def test_near_duplicates_are_a_group(group_rows):
    long = "Natalie sold clips to 48 of her friends in April, and then she sold half as many clips in May of that year."
    rows = [
        {"id": "a", "text": long},
        {"id": "b", "text": long.replace("48", "52")},
        {"id": "c", "text": "A quite different question about trains that leave two stations at the same time of day."},
    ]
    groups = group_rows((rows, {}))
    assert groups["a"] == groups["b"] != ""
    assert groups["c"] == ""


def test_the_same_question_twice_is_a_group_however_short(group_rows):
    rows = [{"id": "a", "text": "1 + 1"}, {"id": "b", "text": "1  +  1"}, {"id": "c", "text": "1 + 2"}]
    groups = group_rows((rows, {}))
    assert groups["a"] == groups["b"] != ""
    assert groups["c"] == ""


def test_turns_of_one_conversation_are_a_group(group_rows):
    first = "사용자: 이번 주말에 갈 만한 곳을 알려 주세요."
    second = f"{first}\n도우미: 강릉은 어떠세요?\n사용자: 거기까지 몇 시간이나 걸리나요?"
    rows = [
        {"id": "a", "text": first},
        {"id": "b", "text": second},
        {"id": "c", "text": "사용자: 떡볶이는 어떻게 만드나요?"},
    ]
    groups = group_rows((rows, {"prompts": {"plain": "{{text}}"}}))
    assert groups["a"] == groups["b"] != ""
    assert groups["c"] == ""


def test_one_text_in_two_task_files_is_one_group(group_rows):
    one = [{"id": f"one-{number}", "text": text} for number, text in enumerate(PASSAGES)]
    two = [{"id": f"two-{number}", "text": text} for number, text in enumerate(PASSAGES)]
    groups = group_rows((one, {}), (two, {"prompts": {"plain": "다음 글의 느낌은?\n{{text}}\n답:"}}))
    assert count_groups(groups) == 3
    assert groups["one-2"] == groups["two-2"]


def test_a_thousand_near_duplicates_are_found(group_rows):
    text = (
        "The committee met on day {} of the month and decided that the old bridge over the river must be repaired soon."
    )
    rows = [{"id": str(number), "text": text.format(number)} for number in range(1000)]
    assert count_groups(group_rows((rows, {}))) == 1


def test_items_made_of_records_keep_the_group_of_the_record(build_record_spec, make_film, make_evaluate_params):
    records = [replace(make_film(text, label), group="g") for text, label in (("가나다", "부정"), ("라마바", "긍정"))]
    task = load_record_task(build_record_spec(), records, [], seed=1)
    grouped = assign_groups(select_task_samples(task, TASK_FILE_SPLIT, make_evaluate_params()))
    assert {record.group for items in grouped for record in items.records} == {"g"}
