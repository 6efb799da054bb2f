"""Rows that repeat or contradict others name the location of the other row."""

from __future__ import annotations

from seodang.validation.repeats import find_repeats


def list_matches(rows):
    repeats = find_repeats(rows, 10)
    return [repeats.get_matches(index) for index in range(len(rows))]


def test_no_rows_repeat_nothing():
    assert list_matches([]) == []


def test_the_first_of_several_answers_names_the_second_and_all_others_name_the_first(make_row):
    rows = [
        make_row(output=f"{number}번째 긴 답입니다", file=file, source_row=number)
        for number, file in enumerate(("a", "b", "a"))
    ]
    assert list_matches(rows) == [{"several-answers": "b:1"}, {"several-answers": "a:0"}, {"several-answers": "a:0"}]


def test_a_repeated_row_takes_no_part_in_a_contradiction(make_row):
    labels = ("긍정", "긍정", "부정")
    rows = [
        make_row("분류하세요", "좋은 영화", label, choices=["긍정", "부정"], file="", source_row=number)
        for number, label in enumerate(labels)
    ]
    assert list_matches(rows) == [{"contradiction": "films:2"}, {"duplicate": "films:0"}, {"contradiction": "films:0"}]


def test_rows_without_text_repeat_nothing(make_row):
    rows = [make_row(output=None), make_row(output=None), make_row(instruction=" "), make_row(instruction=" ")]
    assert list_matches(rows) == [{}] * 4
