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


def test_a_pair_in_both_orders_names_the_other_row_in_each_of_them(make_row):
    answers = [("네, 그럼요.", "아니요."), ("아니요!", "네, 그럼요"), ("네, 그럼요.", "글쎄요.")]
    rows = [
        make_row(output=chosen, rejected=rejected, file="p", source_row=number)
        for number, (chosen, rejected) in enumerate(answers)
    ]
    assert [matches.get("pair-both-orders") for matches in list_matches(rows)] == ["p:1", "p:0", None]


def test_the_same_pair_about_another_question_is_no_other_order(make_row):
    rows = [
        make_row("비가 오나요?", output="네.", rejected="아니요."),
        make_row("눈이 오나요?", output="아니요.", rejected="네."),
    ]
    assert list_matches(rows) == [{}, {}]


def test_an_answer_that_is_marked_good_and_bad_names_the_other_row(make_row):
    marks = [("네.", True), ("네", False), ("아니요.", False)]
    rows = [
        make_row(output=output, desirable=desirable, file="k", source_row=number)
        for number, (output, desirable) in enumerate(marks)
    ]
    assert [matches.get("label-conflict") for matches in list_matches(rows)] == ["k:1", "k:0", None]


def test_a_bad_answer_contradicts_no_good_one(make_row):
    rows = [
        make_row("더하세요", "2 + 3", "5", desirable=True),
        make_row("더하세요", "2 + 3", "6", desirable=False),
    ]
    assert list_matches(rows) == [{}, {}]


def test_several_pairs_about_one_question_contradict_each_other_only_in_their_order(make_row):
    rows = [
        make_row("더하세요", "2 + 3", "5", rejected="6"),
        make_row("더하세요", "2 + 3", "5입니다.", rejected="모름"),
    ]
    assert ["contradiction" in matches for matches in list_matches(rows)] == [False, False]
