"""Rows and records to tasks."""

from types import MappingProxyType

import pytest

from seodang.errors import EvaluationError, SourceError
from seodang.evaluation.tasks.loading import load_record_task, load_task
from seodang.ingest.readers.strict import read_rows_strict

GOOD, BAD = {"text": "좋다", "label": "1"}, {"text": "나쁘다", "label": "0"}


def test_a_row_becomes_an_item_with_its_options_and_the_right_one(tmp_path, build_spec, build_task):
    samples = build_task(build_spec(), [GOOD, BAD], folder=tmp_path).samples
    good = next(sample for sample in samples if sample.reference == "긍정")
    assert (good.prompt, good.choices, good.language) == ("문장: 좋다\n감정:", ("부정", "긍정"), "ko")


def test_each_prompt_template_is_rendered(tmp_path, build_spec, build_task):
    templates = {"bare": "문장: {{text}}\n감정:", "question": "긍정일까요?\n{{text}}\n정답:"}
    item = build_task(build_spec(prompts=templates), [GOOD, BAD], folder=tmp_path).samples[0]
    assert list(item.prompts) == ["bare", "question"]
    assert item.prompts["question"].startswith("긍정일까요?\n")
    assert item.prompt == item.prompts["bare"]


def test_options_may_be_columns(tmp_path, build_spec, build_task):
    copa = build_spec(options={"1": "{{first}}", "2": "{{second}}"}, data={"columns": {"first": "1", "second": "2"}})
    rows = [
        {"text": "왜?", "1": "비가", "2": "눈이", "label": "2"},
        {"text": "어디?", "1": "산", "2": "강", "label": "1"},
    ]
    assert {(item.choices, item.reference) for item in build_task(copa, rows, folder=tmp_path).samples} == {
        (("비가", "눈이"), "눈이"),
        (("산", "강"), "산"),
    }


def test_a_dot_steps_into_an_object_and_labels_may_be_numbers(tmp_path, build_spec, build_task):
    nested = build_spec(data={"columns": {"label": "labels.binary-label"}})
    rows = [{"text": text, "labels": {"binary-label": label}} for text, label in (("가", 0), ("나", 1))]
    assert {item.reference for item in build_task(nested, rows, folder=tmp_path).samples} == {"부정", "긍정"}


def test_several_labels_may_stand_for_one_option(tmp_path, build_spec, build_task):
    both = build_spec(options={"False": "아니오", "FALSE": "아니오", "True": "예"})
    rows = [{"text": "가", "label": "False"}, {"text": "나", "label": "FALSE"}, {"text": "다", "label": "True"}]
    assert {item.choices for item in build_task(both, rows, folder=tmp_path).samples} == {("아니오", "예")}


def test_rows_for_which_the_condition_does_not_hold_are_left_out(tmp_path, build_spec, build_task):
    some = build_spec(data={"where": "{{ row['text'] is string and row['text'].strip() != '' }}"})
    assert (
        len(
            build_task(
                some, [GOOD, BAD, {"text": None, "label": "1"}, {"text": " ", "label": "1"}], folder=tmp_path
            ).samples
        )
        == 2
    )


def test_blanks_that_belong_to_the_prompt_stay(tmp_path, build_spec, build_task):
    item = build_task(build_spec(prompts={"harness": " {{text}}  답변: "}), [GOOD, BAD], folder=tmp_path).samples[0]
    assert item.prompt.startswith(" ")
    assert item.prompt.endswith("  답변: ")


def test_text_of_separate_jamo_is_composed(tmp_path, build_free_spec, build_task):
    item = build_task(
        build_free_spec(), [{"text": "\u1112\u1161\u11ab", "label": "\u1100\u1161"}], folder=tmp_path
    ).samples[0]
    assert (item.prompt, item.reference) == ("문장: 한\n감정:", "가")


def test_an_item_keeps_the_columns_that_its_metrics_need(tmp_path, build_free_spec, build_task):
    item = build_task(build_free_spec(extra=["score"]), [{**GOOD, "score": 4.5}], folder=tmp_path).samples[0]
    assert item.extra == {"score": 4.5}


def test_the_id_is_the_files_own_or_a_hash_of_what_is_asked_and_answered(tmp_path, build_spec, build_task):
    named = build_task(
        build_spec(data={"id": "{{file}}/{{number}}"}),
        [{**GOOD, "file": "a", "number": 1}, {**BAD, "file": "a", "number": 2}],
        folder=tmp_path,
    )
    assert {item.id for item in named.samples} == {"a/1", "a/2"}
    hashed = {item.id for item in build_task(build_spec(), [GOOD, BAD], folder=tmp_path).samples}
    assert hashed == {item.id for item in build_task(build_spec(), [BAD, GOOD], folder=tmp_path).samples}
    assert len(hashed) == 2


def test_an_error_of_a_repeated_item_names_both_rows(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match=r"items.tsv, row 3: has the id .* of row 1"):
        build_task(build_spec(), [GOOD, BAD, GOOD], folder=tmp_path)


def test_an_empty_task_is_refused(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match=r"items.tsv has no item for the task"):
        build_task(build_spec(), [], folder=tmp_path)
    with pytest.raises(EvaluationError, match=r"has no item for the task"):
        build_task(build_spec(data={"where": "{{ text == '' }}"}), [GOOD], folder=tmp_path)


def test_an_error_of_equal_options_names_the_row(tmp_path, build_spec, build_task):
    copa = build_spec(options={"0": "{{first}}", "1": "{{second}}"})
    rows = [
        {**GOOD, "first": "비가", "second": "눈이"},
        {**BAD, "first": "비가", "second": "비가"},
        {**BAD, "text": "흠", "first": "비가", "second": "비가 "},
    ]
    with pytest.raises(EvaluationError) as error:
        build_task(copa, rows, folder=tmp_path)
    assert "row 2: options are equal" in str(error.value)
    assert "row 3: options occur twice" in str(error.value)


def test_a_task_with_one_class_is_refused(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match=r"all 2 items have the answer '긍정'"):
        build_task(build_spec(), [GOOD, {**BAD, "label": "1"}], folder=tmp_path)


def test_a_task_whose_answer_is_always_the_same_option_is_refused(tmp_path, build_spec, build_task):
    copa = build_spec(options={"0": "{{first}}", "1": "{{second}}"})
    rows = [{"text": text, "label": "1", "first": f"{text}하고", "second": f"{text}하지"} for text in "가나다"]
    with pytest.raises(EvaluationError, match="have the answer 'option 2'"):
        build_task(copa, rows, folder=tmp_path)


def test_one_message_lists_the_errors_of_up_to_twenty_rows(tmp_path, build_spec, build_task):
    rows = [GOOD, BAD, {"text": "", "label": "1"}, {"text": "음", "label": "7"}, {"label": "1"}]
    with pytest.raises(EvaluationError) as error:
        build_task(build_spec(), rows, folder=tmp_path)
    message = str(error.value)
    for part in (
        "row 3: column text is missing or blank",
        "row 4: the label '7' is not among 0, 1",
        "row 5: column text is missing or blank",
    ):
        assert part in message
    with pytest.raises(EvaluationError, match="and 10 more"):
        build_task(build_spec(), [{"text": str(number), "label": "7"} for number in range(30)], folder=tmp_path)


def test_a_file_of_another_shape_is_refused_with_the_columns_that_it_has(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match="column label, text is missing; the row has paragraph, question, gold"):
        build_task(build_spec(), [{"paragraph": "글", "question": "?", "gold": 1}], folder=tmp_path)


def test_an_error_of_a_few_shot_example_names_its_file(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match=r"examples.tsv, row 2: the label '7' is not among 0, 1"):
        build_task(
            build_spec(data={"few_shot_file": "examples.tsv"}),
            [GOOD, BAD],
            [GOOD, {**BAD, "label": "7"}],
            folder=tmp_path,
        )


def test_a_template_that_a_row_does_not_fit_is_an_error(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match=r"row 1: the template .* cannot be rendered"):
        build_task(build_spec(answer="{{ {'a': 1}[label] }}"), [GOOD], folder=tmp_path)
    with pytest.raises(EvaluationError, match="must give True or False"):
        build_task(build_spec(data={"where": "{{ text }}"}), [GOOD], folder=tmp_path)


def test_a_template_cannot_reach_into_python(tmp_path, build_spec, build_task):
    with pytest.raises(EvaluationError, match="cannot be rendered"):
        build_task(build_spec(answer="{{ text.__class__.__mro__ }}"), [GOOD], folder=tmp_path)


def test_a_missing_file_is_an_error(tmp_path, build_spec):
    with pytest.raises(EvaluationError, match=r"items.tsv, examples.tsv not found in"):
        load_task(build_spec(data={"few_shot_file": "examples.tsv"}), tmp_path, read_rows_strict, seed=1)


def test_a_table_is_read_with_the_pipelines_readers(tmp_path, build_spec):
    (tmp_path / "items.tsv").write_text('\ufefftext\tlabel\n그가 "네"라고 했다\t1\n별로\t0\n', "utf-8")
    task = load_task(build_spec(), tmp_path, read_rows_strict, seed=1)
    assert {item.prompt for item in task.samples} == {'문장: 그가 "네"라고 했다\n감정:', "문장: 별로\n감정:"}


def test_one_message_lists_all_rows_that_cannot_be_read(tmp_path):
    (tmp_path / "items.jsonl").write_bytes(
        '{"text": "좋다", "label": "1"}\n{"text": \n{"text": "반\\ud800쪽", "label": "1"}\n'.encode()
    )
    with pytest.raises(SourceError) as error:
        list(read_rows_strict(tmp_path / "items.jsonl", "items.jsonl"))
    assert "line 2" in str(error.value)
    assert "row 3, text" in str(error.value)
    (tmp_path / "items.tsv").write_text("text\tlabel\n좋다\t1\t2\n", "utf-8")
    with pytest.raises(SourceError, match="row 1 has more cells"):
        list(read_rows_strict(tmp_path / "items.tsv", "items.tsv"))


def test_the_instructions_of_ifeval_are_checked_when_they_are_loaded(tmp_path, build_free_spec, build_task):
    checked = build_free_spec(metrics=["ifeval_prompt_strict"], extra=["instruction_id_list", "kwargs"], answer="")
    row = {
        "text": "t",
        "label": "",
        "instruction_id_list": ["punctuation:no_comma", "magic:trick", "length_constraints:number_words"],
        "kwargs": [{}, {}, {"relation": "at least"}],
    }
    with pytest.raises(EvaluationError) as error:
        build_task(checked, [row], folder=tmp_path)
    assert "magic:trick: there is no rule" in str(error.value)
    assert "num_words must be an integer" in str(error.value)


def test_records_of_the_named_task_become_items_that_keep_the_record(build_record_spec, make_film):
    test_records = [
        make_film("좋다", "긍정"),
        make_film("나쁘다", "부정"),
        make_film("어디?", "서울", (), task="places"),
    ]
    task = load_record_task(
        build_record_spec(),
        test_records,
        [make_film("괜찮다", "긍정"), make_film("별로", "부정", task="other")],
        seed=1,
    )
    assert {item.record for item in task.samples} == set(test_records[:2])
    assert {item.id for item in task.samples} == {record.id for record in test_records[:2]}
    assert [item.record.input for item in task.few_shot_pool] == ["괜찮다"]


def test_a_task_without_training_records_gets_few_shot_examples_with_the_same_options(build_record_spec, make_film):
    test_records = [make_film("좋다", "긍정"), make_film("나쁘다", "부정")]
    training = [
        make_film("별로", "부정", task="other"),
        make_film("셋", "중립", ("부정", "중립", "긍정"), task="three"),
        make_film("어디?", "서울", (), task="places"),
    ]
    assert [
        item.record.input
        for item in load_record_task(build_record_spec(), test_records, training, seed=1).few_shot_pool
    ] == ["별로"]


def test_a_record_whose_answer_is_no_option_is_an_error(build_record_spec, make_film):
    odd = make_film("흠", "중립")
    with pytest.raises(
        EvaluationError, match=f"split test, record {odd.id}: the answer '중립' is not among the options"
    ):
        load_record_task(build_record_spec(), [make_film("좋다", "긍정"), odd], [], seed=1)


def test_rows_may_be_any_mapping(tmp_path, build_spec, build_task):
    assert len(build_task(build_spec(), [MappingProxyType(GOOD), MappingProxyType(BAD)], folder=tmp_path).samples) == 2


@pytest.mark.parametrize("grade", ["", None, "3,5", "nan"])
def test_a_grade_that_is_no_number_is_an_error_of_its_row(tmp_path, grade, build_spec, build_task):
    graded = build_spec(metrics=["accuracy", "spearman"], extra=["score"])
    with pytest.raises(EvaluationError, match=r"row 2: column score must be a finite number"):
        build_task(graded, [{**GOOD, "score": "4.5"}, {**BAD, "score": grade}], folder=tmp_path)
