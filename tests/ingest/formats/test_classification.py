"""Labelled tables: cells into an instruction with a closed set of answers."""

from __future__ import annotations

import pytest
from tests.constants import SENTIMENT_TABLE

from seodang.errors import SourceError
from seodang.ingest.formats.classification import load_bundled_tables
from seodang.ingest.rows import get_field_error


@pytest.fixture(scope="module")
def table_rows(read_rows):
    def table_rows(folder, text, *, file="t.csv", limit=1000, **changes):
        return read_rows(folder, text, file=file, format="table", table={**SENTIMENT_TABLE, **changes}, limit=limit)

    return table_rows


def test_a_row_becomes_an_instruction_with_the_answers_as_choices(tmp_path, table_rows):
    (row,) = table_rows(tmp_path, "document,label\n재미있다,1 \n")
    assert (row["instruction"], row["input"], row["output"], row["choices"]) == (
        "긍정인가요, 부정인가요?",
        "재미있다",
        "긍정",
        ["부정", "긍정"],
    )
    assert (row["format"], row["original"]) == ("table", {"document": "재미있다", "label": "1 "})


def test_an_instruction_that_names_the_inputs_column_has_no_input(tmp_path, get_texts, table_rows):
    assert get_texts(table_rows(tmp_path, "document,label\n웃김,1\n", instructions=["문장: {document} 감정:"])) == [
        ("문장: 웃김 감정:", "", "긍정")
    ]


def test_an_instruction_may_name_another_column_beside_the_input(tmp_path, get_texts, read_rows):
    table = {
        "label_column": "answer",
        "labels": {"1": "{1}", "2": "{2}"},
        "input": "{text}\n1. {1}\n2. {2}",
        "instructions": ["{kind}에 알맞은 것은?"],
    }
    (row,) = read_rows(
        tmp_path, "text,kind,1,2,answer\n비가 온다,결과 ,젖는다,마른다,1\n", file="t.csv", format="table", table=table
    )
    assert get_texts([row]) == [("결과에 알맞은 것은?", "비가 온다\n1. 젖는다\n2. 마른다", "젖는다")]
    assert row["choices"] == ["젖는다", "마른다"]


@pytest.mark.parametrize(
    "review", ["{label} 웃김", "{document}", "{0.__class__}", "{}", "{{name}}", "100% {", "%s \\1 $1"]
)
def test_what_looks_like_a_place_in_a_cell_is_only_text(tmp_path, review, table_rows):
    (row,) = table_rows(
        tmp_path, f"document\tlabel\n{review}\t1\n", file="t.tsv", instructions=["문장: {document} 감정:"]
    )
    assert row["instruction"] == f"문장: {review} 감정:"


def test_a_brace_that_names_no_column_stays_as_it_is(tmp_path, table_rows):
    (row,) = table_rows(
        tmp_path, "document,label\n웃김,1\n", instructions=['답은 {"감정": ...} 꼴로: {{document}} {x} {}']
    )
    assert row["instruction"] == '답은 {"감정": ...} 꼴로: {웃김} {x} {}'


def test_a_column_may_stand_within_an_object(tmp_path, get_texts, read_rows):
    table = {
        "label_column": "labels.same",
        "labels": {"1": "예", "0": "아니요"},
        "input": "{pair.a} / {pair.b}",
        "instructions": ["같나요?"],
    }
    rows = read_rows(
        tmp_path,
        [{"pair": {"a": "가", "b": "나"}, "labels": {"same": label}} for label in (0, 1.0, None)],
        format="table",
        table=table,
    )
    assert get_texts(rows[:2]) == [("같나요?", "가 / 나", "아니요"), ("같나요?", "가 / 나", "예")]
    assert get_field_error(rows[2]["output"]) == "label-unknown"


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        ("1", "긍정"),
        (" 1  ", "긍정"),
        ("1.0", "긍정"),
        ("01", "긍정"),
        (1, "긍정"),
        (1.0, "긍정"),
        (0, "부정"),
        ("2", None),
        ("", None),
        (None, None),
        (1.5, None),
        ([1], "긍정"),
        ([1, 0], None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_a_label_is_compared_without_blanks_and_as_a_number(tmp_path, cell, answer, read_rows):
    (row,) = read_rows(tmp_path, [{"document": "좋다", "label": cell}], format="table", table=SENTIMENT_TABLE)
    assert row["output"] == answer if answer else get_field_error(row["output"]) == "label-unknown"


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        ("TRUE", "예"),
        ("True", "예"),
        ("true", "예"),
        (True, "예"),
        ("FALSE ", "아니요"),
        (False, "아니요"),
        ("1", None),
    ],
)
def test_a_label_in_letters_is_found_in_any_case(tmp_path, cell, answer, read_rows):
    (row,) = read_rows(
        tmp_path,
        [{"document": "좋다", "label": cell}],
        format="table",
        table={**SENTIMENT_TABLE, "labels": {"TRUE": "예", "FALSE": "아니요"}},
    )
    assert row["output"] == answer if answer else get_field_error(row["output"]) == "label-unknown"


@pytest.mark.parametrize(
    ("score", "answer"),
    [("0", "낮음"), ("2.49", "낮음"), ("2.5", "높음"), ("5.000", "높음"), (5, "높음"), ("5.01", None), ("-", None)],
)
def test_a_bound_takes_the_numbers_below_it(tmp_path, score, answer, read_rows):
    (row,) = read_rows(
        tmp_path,
        [{"document": "좋다", "label": score}],
        format="table",
        table={**SENTIMENT_TABLE, "labels": {"<2.5": "낮음", "<=5": "높음"}},
    )
    assert row["output"] == answer if answer else get_field_error(row["output"]) == "label-unknown"
    assert row["choices"] == ["낮음", "높음"]


def test_the_instruction_template_depends_on_the_input_not_on_position_or_label(tmp_path, get_texts, table_rows):
    templates = [f"template {number}" for number in range(5)]
    lines = [f"{number}번째 영화,{number % 2}" for number in range(40)]
    forward = table_rows(tmp_path, "\n".join(["document,label", *lines]), instructions=templates)
    backward = table_rows(tmp_path, "\n".join(["document,label", *reversed(lines)]), instructions=templates)
    turned = table_rows(
        tmp_path,
        "\n".join(["document,label", *(f"{line[:-1]}{1 - int(line[-1])}" for line in lines)]),
        instructions=templates,
    )
    assert get_texts(forward) == get_texts(backward)[::-1]
    assert [row["instruction"] for row in forward] == [row["instruction"] for row in turned]
    assert {row["instruction"] for row in forward} == {*templates}


def test_an_unknown_label_an_empty_text_and_an_extra_cell_are_errors_of_their_row(tmp_path, table_rows):
    rows = table_rows(tmp_path, "document\tlabel\n좋다\t2\n \t1\n좋다\t1\t덤\n좋다\n좋다\t1\n", file="t.tsv")
    assert [get_field_error(row["output"]) for row in rows] == [
        "label-unknown",
        None,
        "row-ragged",
        "label-unknown",
        None,
    ]
    assert [get_field_error(row["input"]) for row in rows] == [None, "text-missing", "row-ragged", None, None]
    assert rows[2]["original"] == ["좋다", "1", "덤"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"t\.csv has no column for table\.input '\{document\}'.*its columns are 문서, label; name one of these"),
        (
            {"input": "{문서}", "label_column": "labels"},
            r"no column for table\.label_column 'labels'; its columns are 문서, label",
        ),
        ({"input": "{문서} {lable}"}, r"no column for table\.input \{lable\} \(did you mean label\?\)"),
    ],
)
def test_the_message_about_a_missing_column_lists_the_columns(tmp_path, changes, message, table_rows):
    with pytest.raises(SourceError, match=message):
        table_rows(tmp_path, "문서,label\n좋다,1\n", **changes)


SAMPLES = {
    "nsmc": ({"id": "1", "document": "재밌다", "label": "1"}, "긍정"),
    "kobest-sentineg": ({"ID": "1", "Text": "안 망가져요", "Label": "1"}, "긍정"),
    "kobest-boolq": (
        {"ID": "1", "Text": "소는 풀을 먹는다.", "Question": "소는 고기를 먹나?", "Answer": "False"},
        "아니요",
    ),
    "kobest-boolq-hub": ({"paragraph": "소는 풀을 먹는다.", "question": "소는 고기를 먹나?", "label": 0}, "아니요"),
    "kobest-copa": (
        {
            "ID": "1",
            "sentence": "비가 왔다.",
            "question": "결과",
            "1": "땅이 말랐다.",
            "2": "땅이 젖었다.",
            "Answer": "2",
        },
        "땅이 젖었다.",
    ),
    "kobest-copa-hub": (
        {
            "premise": "비가 왔다.",
            "question": "결과",
            "alternative_1": "땅이 말랐다.",
            "alternative_2": "땅이 젖었다.",
            "label": 1,
        },
        "땅이 젖었다.",
    ),
    "kobest-hellaswag": (
        {"context": "씨를 심었다.", "choice1": "가", "choice2": "나", "choice3": "다", "choice4": "라", "label": "3"},
        "라",
    ),
    "kobest-hellaswag-hub": (
        {"context": "씨를 심었다.", "ending_1": "가", "ending_2": "나", "ending_3": "다", "ending_4": "라", "label": 3},
        "라",
    ),
    "kobest-wic": (
        {"ID": "1", "Target": "배", "SENTENCE1": "[배]를 먹었다.", "SENTENCE2": "[배]를 탔다.", "ANSWER": "FALSE"},
        "아니요",
    ),
    "kobest-wic-hub": (
        {"word": "배", "context_1": "[배]를 먹었다.", "context_2": "[배]를 탔다.", "label": 0},
        "아니요",
    ),
    "kornli": ({"sentence1": "개가 잔다.", "sentence2": "개가 뛴다.", "gold_label": "contradiction"}, "모순"),
    "korsts": ({"genre": "g", "score": "2.500", "sentence1": "개가 잔다.", "sentence2": "개가 쉰다."}, "3"),
    "klue-sts": (
        {
            "guid": "g",
            "sentence1": "개가 잔다.",
            "sentence2": "개는 자고 있다.",
            "labels": {"label": 4.2, "binary-label": 1},
        },
        "예",
    ),
}


def test_every_shipped_template_has_a_sample():
    assert {table.name for table in load_bundled_tables()} == {*SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_known_table_is_recognized_by_its_columns(tmp_path, name, read_rows):
    record, answer = SAMPLES[name]
    (row,) = read_rows(tmp_path, [record])
    assert (row["format"], row["output"], row["language"]) == (name, answer, "ko")
    assert answer in row["choices"]
    assert "{" not in row["instruction"] + row["input"]


def test_nsmc_is_detected_with_more_columns_and_has_koalpacas_two_prompts_among_its_instructions(tmp_path, read_rows):
    lines = [f"{number}\t{number}점짜리\t{number % 2}\t{number}" for number in range(40)]
    rows = read_rows(tmp_path, "\r\n".join(["\ufeffid\tdocument\tlabel\trating", *lines]), file="ratings.txt")
    assert {row["format"] for row in rows} == {"nsmc"}
    assert any(
        row["instruction"] == f"문장: {row['original']['document']} 감정:" and row["input"] == "" for row in rows
    )
    assert any(
        row["instruction"] == "다음 문장은 긍정일까요 부정일까요?" and row["input"] == row["original"]["document"]
        for row in rows
    )
    assert {(row["task"], row["cluster"]) for row in rows} == {("nsmc", "sentiment")}


def test_a_table_with_the_columns_of_a_known_one_but_other_labels_is_not_taken_for_it(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [{"ID": 1, "Text": "소는 풀을 먹는다.", "Question": "소는 무엇을 먹나?", "Answer": "풀"}]
    )
    assert (row["format"], row["instruction"], row["output"]) == ("qa", "소는 무엇을 먹나?", "풀")
