"""Rows and records to tasks."""

from types import MappingProxyType

import pytest
from evaluation_cases import BAD, GOOD, film, free_spec, records_spec, spec, task_of

from seodang.errors import EvaluationError, SourceError
from seodang.evaluation.tasks.loading import load_record_task, load_task
from seodang.ingest.readers.strict import read_rows_strict


def test_a_row_becomes_an_item_with_its_options_and_the_right_one(tmp_path):
    item = task_of(spec(), [GOOD, BAD], folder=tmp_path).samples
    good = next(one for one in item if one.reference == "긍정")
    assert (good.prompt, good.choices, good.language) == ("문장: 좋다\n감정:", ("부정", "긍정"), "ko")


def test_each_wording_of_the_prompt_is_rendered(tmp_path):
    wordings = {"bare": "문장: {{text}}\n감정:", "question": "긍정일까요?\n{{text}}\n정답:"}
    item = task_of(spec(prompts=wordings), [GOOD, BAD], folder=tmp_path).samples[0]
    assert list(item.prompts) == ["bare", "question"]
    assert item.prompts["question"].startswith("긍정일까요?\n")
    assert item.prompt == item.prompts["bare"]


def test_options_may_be_columns(tmp_path):
    copa = spec(options={"1": "{{first}}", "2": "{{second}}"}, data={"columns": {"first": "1", "second": "2"}})
    rows = [
        {"text": "왜?", "1": "비가", "2": "눈이", "label": "2"},
        {"text": "어디?", "1": "산", "2": "강", "label": "1"},
    ]
    assert {(item.choices, item.reference) for item in task_of(copa, rows, folder=tmp_path).samples} == {
        (("비가", "눈이"), "눈이"),
        (("산", "강"), "산"),
    }


def test_a_dot_steps_into_an_object_and_labels_may_be_numbers(tmp_path):
    nested = spec(data={"columns": {"label": "labels.binary-label"}})
    rows = [{"text": text, "labels": {"binary-label": label}} for text, label in (("가", 0), ("나", 1))]
    assert {item.reference for item in task_of(nested, rows, folder=tmp_path).samples} == {"부정", "긍정"}


def test_several_labels_may_stand_for_one_option(tmp_path):
    both = spec(options={"False": "아니오", "FALSE": "아니오", "True": "예"})
    rows = [{"text": "가", "label": "False"}, {"text": "나", "label": "FALSE"}, {"text": "다", "label": "True"}]
    assert {item.choices for item in task_of(both, rows, folder=tmp_path).samples} == {("아니오", "예")}


def test_rows_for_which_the_condition_does_not_hold_are_left_out(tmp_path):
    some = spec(data={"where": "{{ row['text'] is string and row['text'].strip() != '' }}"})
    assert (
        len(
            task_of(
                some, [GOOD, BAD, {"text": None, "label": "1"}, {"text": " ", "label": "1"}], folder=tmp_path
            ).samples
        )
        == 2
    )


def test_blanks_that_belong_to_the_prompt_stay(tmp_path):
    item = task_of(spec(prompts={"harness": " {{text}}  답변: "}), [GOOD, BAD], folder=tmp_path).samples[0]
    assert item.prompt.startswith(" ")
    assert item.prompt.endswith("  답변: ")


def test_text_of_separate_jamo_is_composed(tmp_path):
    item = task_of(free_spec(), [{"text": "\u1112\u1161\u11ab", "label": "\u1100\u1161"}], folder=tmp_path).samples[0]
    assert (item.prompt, item.reference) == ("문장: 한\n감정:", "가")


def test_an_item_keeps_the_columns_that_its_metrics_need(tmp_path):
    item = task_of(free_spec(extra=["score"]), [{**GOOD, "score": 4.5}], folder=tmp_path).samples[0]
    assert item.extra == {"score": 4.5}


def test_the_id_is_the_files_own_or_a_hash_of_what_is_asked_and_answered(tmp_path):
    named = task_of(
        spec(data={"id": "{{file}}/{{number}}"}),
        [{**GOOD, "file": "a", "number": 1}, {**BAD, "file": "a", "number": 2}],
        folder=tmp_path,
    )
    assert {item.id for item in named.samples} == {"a/1", "a/2"}
    hashed = {item.id for item in task_of(spec(), [GOOD, BAD], folder=tmp_path).samples}
    assert hashed == {item.id for item in task_of(spec(), [BAD, GOOD], folder=tmp_path).samples}
    assert len(hashed) == 2


def test_a_repeated_item_is_told_with_both_rows(tmp_path):
    with pytest.raises(EvaluationError, match=r"asked.tsv, row 3: repeats row 1, its id is"):
        task_of(spec(), [GOOD, BAD, GOOD], folder=tmp_path)


def test_an_empty_task_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"asked.tsv has no item of it"):
        task_of(spec(), [], folder=tmp_path)
    with pytest.raises(EvaluationError, match=r"has no item of it"):
        task_of(spec(data={"where": "{{ text == '' }}"}), [GOOD], folder=tmp_path)


def test_options_that_are_equal_are_told_with_the_row(tmp_path):
    copa = spec(options={"0": "{{first}}", "1": "{{second}}"})
    rows = [
        {**GOOD, "first": "비가", "second": "눈이"},
        {**BAD, "first": "비가", "second": "비가"},
        {**BAD, "text": "흠", "first": "비가", "second": "비가 "},
    ]
    with pytest.raises(EvaluationError) as error:
        task_of(copa, rows, folder=tmp_path)
    assert "row 2: options are equal" in str(error.value)
    assert "row 3: options are equal" in str(error.value)


def test_a_task_with_one_class_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"the answer of all 2 items is '긍정'"):
        task_of(spec(), [GOOD, {**BAD, "label": "1"}], folder=tmp_path)


def test_a_task_whose_answer_is_always_in_the_same_place_is_told(tmp_path):
    copa = spec(options={"0": "{{first}}", "1": "{{second}}"})
    rows = [{"text": text, "label": "1", "first": f"{text}하고", "second": f"{text}하지"} for text in "가나다"]
    with pytest.raises(EvaluationError, match="is 'option 2'"):
        task_of(copa, rows, folder=tmp_path)


def test_all_faulty_rows_stand_in_one_message_up_to_twenty(tmp_path):
    rows = [GOOD, BAD, {"text": "", "label": "1"}, {"text": "음", "label": "7"}, {"label": "1"}]
    with pytest.raises(EvaluationError) as error:
        task_of(spec(), rows, folder=tmp_path)
    message = str(error.value)
    for part in (
        "row 3: column text is missing or blank",
        "row 4: the label '7' is not among 0, 1",
        "row 5: column text is missing",
    ):
        assert part in message
    with pytest.raises(EvaluationError, match="and 10 more"):
        task_of(spec(), [{"text": str(number), "label": "7"} for number in range(30)], folder=tmp_path)


def test_a_faulty_exemplar_is_told_with_its_file(tmp_path):
    with pytest.raises(EvaluationError, match=r"shown.tsv, row 2: the label '7' is not among 0, 1"):
        task_of(spec(data={"few_shot_file": "shown.tsv"}), [GOOD, BAD], [GOOD, {**BAD, "label": "7"}], folder=tmp_path)


def test_a_template_that_stumbles_over_a_row_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"row 1: the template .* cannot be filled in"):
        task_of(spec(answer="{{ {'a': 1}[label] }}"), [GOOD], folder=tmp_path)
    with pytest.raises(EvaluationError, match="must give True or False"):
        task_of(spec(data={"where": "{{ text }}"}), [GOOD], folder=tmp_path)


def test_a_template_cannot_reach_into_python(tmp_path):
    with pytest.raises(EvaluationError, match="cannot be filled in"):
        task_of(spec(answer="{{ text.__class__.__mro__ }}"), [GOOD], folder=tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"asked.tsv, shown.tsv is not in"):
        load_task(spec(data={"few_shot_file": "shown.tsv"}), tmp_path, read_rows_strict, seed=1)


def test_a_table_is_read_with_the_pipelines_readers(tmp_path):
    (tmp_path / "asked.tsv").write_text('\ufefftext\tlabel\n그가 "네"라고 했다\t1\n별로\t0\n', "utf-8")
    task = load_task(spec(), tmp_path, read_rows_strict, seed=1)
    assert {item.prompt for item in task.samples} == {'문장: 그가 "네"라고 했다\n감정:', "문장: 별로\n감정:"}


def test_rows_that_cannot_be_read_end_the_reading_with_all_of_them_told(tmp_path):
    (tmp_path / "asked.jsonl").write_bytes(
        '{"text": "좋다", "label": "1"}\n{"text": \n{"text": "반\\ud800쪽", "label": "1"}\n'.encode()
    )
    with pytest.raises(SourceError) as error:
        list(read_rows_strict(tmp_path / "asked.jsonl", "asked.jsonl"))
    assert "line 2" in str(error.value)
    assert "row 3, text" in str(error.value)
    (tmp_path / "asked.tsv").write_text("text\tlabel\n좋다\t1\t2\n", "utf-8")
    with pytest.raises(SourceError, match="row 1 has more cells"):
        list(read_rows_strict(tmp_path / "asked.tsv", "asked.tsv"))


def test_the_instructions_of_ifeval_are_checked_when_they_are_loaded(tmp_path):
    checked = free_spec(metrics=["ifeval_prompt_strict"], extra=["instruction_id_list", "kwargs"], answer="")
    row = {
        "text": "t",
        "label": "",
        "instruction_id_list": ["punctuation:no_comma", "magic:trick", "length_constraints:number_words"],
        "kwargs": [{}, {}, {"relation": "at least"}],
    }
    with pytest.raises(EvaluationError) as error:
        task_of(checked, [row], folder=tmp_path)
    assert "magic:trick: there is no rule" in str(error.value)
    assert "num_words must be a whole number" in str(error.value)


def test_records_of_the_named_task_become_items_that_keep_the_record():
    asked = [film("좋다", "긍정"), film("나쁘다", "부정"), film("어디?", "서울", (), task="places")]
    task = load_record_task(records_spec(), asked, [film("괜찮다", "긍정"), film("별로", "부정", task="other")], seed=1)
    assert {item.record for item in task.samples} == set(asked[:2])
    assert {item.id for item in task.samples} == {record.id for record in asked[:2]}
    assert [item.record.input for item in task.few_shot_pool] == ["괜찮다"]


def test_a_task_that_training_does_not_know_borrows_exemplars_with_the_same_options():
    asked = [film("좋다", "긍정"), film("나쁘다", "부정")]
    training = [
        film("별로", "부정", task="other"),
        film("셋", "중립", ("부정", "중립", "긍정"), task="three"),
        film("어디?", "서울", (), task="places"),
    ]
    assert [item.record.input for item in load_record_task(records_spec(), asked, training, seed=1).few_shot_pool] == [
        "별로"
    ]


def test_a_record_whose_answer_is_no_option_is_told():
    odd = film("흠", "중립")
    with pytest.raises(
        EvaluationError, match=f"split test, record {odd.id}: the answer '중립' is not among its options"
    ):
        load_record_task(records_spec(), [film("좋다", "긍정"), odd], [], seed=1)


def test_rows_may_be_any_mapping(tmp_path):
    assert len(task_of(spec(), [MappingProxyType(GOOD), MappingProxyType(BAD)], folder=tmp_path).samples) == 2


@pytest.mark.parametrize("grade", ["", None, "3,5", "nan"])
def test_a_grade_that_is_no_number_is_a_fault_of_its_row(tmp_path, grade):
    graded = spec(metrics=["accuracy", "spearman"], extra=["score"])
    with pytest.raises(EvaluationError, match=r"row 2: column score is no finite number"):
        task_of(graded, [{**GOOD, "score": "4.5"}, {**BAD, "score": grade}], folder=tmp_path)
