"""Decontamination: the training records that leak an evaluation item."""

import numpy as np
import pytest

from seodang.preparation.decontamination import find_leaks
from seodang.preparation.evaluation_items import gather_items
from seodang.preparation.features import find_templates
from seodang.preparation.questions import read_questions

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar"
KOREAN = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"


@pytest.fixture
def list_leaks(tmp_path, build_prepare_params, find_all_duplicates, count_phrases):
    """Return a function that lists (item, training record, kind, overlap) of every leak, both counted from 0."""

    def find(items, training, **changes):
        prepare = build_prepare_params(**changes)
        records = [*items, *training]
        rows = find_all_duplicates(records, prepare, tmp_path)[0].rows
        is_template = find_templates(rows, prepare.deduplication.template_after)
        numbered = list(enumerate(records))
        boilerplate = count_phrases(records)
        evaluation_items = gather_items(
            read_questions(numbered[: len(items)], is_template, prepare, boilerplate, include_answers=False),
            rows,
            prepare.deduplication.template_after,
        )
        assert evaluation_items is not None
        chunks = read_questions(numbered[len(items) :], is_template, prepare, boilerplate, include_answers=True)
        leaks = [
            leak
            for chunk in chunks
            for leak in find_leaks(chunk, evaluation_items, rows, prepare.decontamination.threshold)
        ]
        return [(leak.item, leak.record - len(items), leak.kind, round(leak.overlap, 3)) for leak in leaks]

    return find


def test_the_same_question_is_a_leak_whatever_its_answer_case_and_punctuation(list_leaks, build_record):
    items = [build_record("대한민국의 수도는?", "", "서울"), build_record("Name a river.", "", "Rhine")]
    training = [
        build_record("name a River!", "", "Danube"),
        build_record("대한민국의 수도는", "", ""),
        build_record("Name a lake.", "", "Rhine"),
    ]
    assert list_leaks(items, training) == [(1, 0, "exact", 1.0), (0, 1, "exact", 1.0)]


def test_an_item_that_is_only_a_prompt_is_protected_too(list_leaks, build_record):
    assert list_leaks([build_record("Name a river.", "", "")], [build_record("Name a river.", "", "Rhine")]) == [
        (0, 0, "exact", 1.0)
    ]


def test_the_same_input_with_the_same_answer_in_other_words_is_a_leak(list_leaks, build_record):
    items = [
        build_record("감정을 분류하세요", "정말 재미있다", "긍정"),
        build_record("감정을 분류하세요", "정말 지루하다", ""),
    ]
    training = [
        build_record("긍정입니까, 부정입니까?", "정말 재미있다.", "긍정"),
        build_record("글자 수를 세세요", "정말 재미있다", "7"),
        build_record("글자 수를 세세요", "정말 지루하다", "7"),
    ]
    assert list_leaks(items, training) == [(0, 0, "exact", 1.0), (1, 2, "exact", 1.0)]


def test_a_short_text_under_two_prompts_is_a_leak_by_its_place_in_the_file(list_leaks, build_record):
    bare = build_record("문장: 재밌다 감정:", "", "긍정", file="data/reviews.tsv", source_row=7)
    nothing = build_record("문장: 몰라 감정:", "", "", file="data/reviews.tsv", source_row=9)
    training = [
        build_record("다음 문장은 긍정일까요?", "재밌다", "긍정", file="data/reviews.tsv", source_row=7),
        build_record("다음 문장은 긍정일까요?", "별로다", "긍정", file="data/reviews.tsv", source_row=8),
        build_record("다음 문장은 긍정일까요?", "좋다", "긍정", file="data/others.tsv", source_row=7),
        build_record("몇 글자입니까?", "재밌다", "3", file="data/reviews.tsv", source_row=7),
        build_record("다음 문장은 긍정일까요?", "몰라", "부정", file="data/reviews.tsv", source_row=9),
        build_record("다음 문장은 긍정일까요?", "싫다", "긍정"),
    ]
    assert list_leaks([bare, nothing], training) == [(0, 0, "exact", 1.0)]


def test_the_same_single_word_with_the_same_answer_is_no_leak(list_leaks, build_record):
    assert (
        list_leaks(
            [build_record("What is the opposite?", "big", "small")], [build_record("Give the antonym.", "big", "small")]
        )
        == []
    )


def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_not(list_leaks, build_record):
    words = WORDS.split()
    # 15 words: 3 n-grams, of which 1 is in the first record
    item = build_record("Repeat: " + " ".join(words[:14]), "", "x")
    thirteen = build_record("Something else", "", "It said " + ", ".join(words[1:14]) + " and more")
    twelve = build_record("Something else", "", "It said " + " ".join(words[1:13]) + " and more")
    assert list_leaks([item], [thirteen, twelve], decontamination={"threshold": 0.99}) == [(0, 0, "ngram", 0.333)]


def test_thirty_korean_letters_without_blanks_are_a_leak_and_twenty_nine_are_not(list_leaks, build_record):
    letters = KOREAN.replace(" ", "")
    item = build_record("다음을 요약하세요", KOREAN, "단풍")
    thirty = build_record("다른 물음", f"처음 {letters[3:20]} {letters[20:33]} 끝", "답")
    fewer = build_record("다른 물음", f"처음 {letters[3:20]} {letters[20:32]} 끝", "답")
    leaks = list_leaks([item], [thirty, fewer], decontamination={"threshold": 0.99})
    # the input has 38 letters, so 9 n-grams of 30, of which 1 is shared
    assert len(letters) == 38
    assert leaks == [(0, 0, "ngram", 0.111)]


def test_a_nearly_equal_question_is_a_leak(list_leaks, build_record):
    item = build_record(f"{KOREAN}. 왜 그럴까요?", "", "기온이 낮아서")
    training = [
        build_record(f"{KOREAN.replace('천천히', '천천')}. 왜 그럴까요?", "", "모른다"),
        build_record(KOREAN[::-1], "", "모른다"),
    ]
    leaks = list_leaks([item], training, decontamination={"ngram_characters_ko": 60})
    assert [leak[:3] for leak in leaks] == [(0, 0, "minhash")]
    assert 0.8 <= leaks[0][3] < 1


def test_the_instruction_of_a_template_leaks_nothing_and_its_input_does(list_leaks, build_record):
    long = f"Classify the text that follows the line, as the annotators of the {WORDS} corpus did."
    items = [build_record(long, f"text number {number} of the evaluation", "a") for number in range(15)]
    training = [build_record(long, f"remark {number} for training", "b") for number in range(15)]
    copied = build_record(long, "text number 3 of the evaluation", "c")
    assert list_leaks(items, [*training, copied]) == [(3, 15, "exact", 1.0)]


def test_an_ngram_in_the_instructions_of_many_items_is_boilerplate(list_leaks, build_record):
    items = [build_record(f"{WORDS} {'x' * number}", "", "a") for number in range(25)]
    training = [build_record(f"{WORDS} in another question, which goes on about quite different things", "", "b")]
    assert list_leaks(items, training) == []
    assert {leak[2] for leak in list_leaks(items[:20], training)} == {"ngram"}


def test_a_passage_in_many_items_inputs_still_counts(list_leaks, build_record):
    items = [build_record(f"Question {number}?", WORDS, "a") for number in range(25)]
    assert len(list_leaks(items, [build_record("Summarize it", WORDS, "b")])) == 25


def test_turns_before_the_question_are_read_too(list_leaks, build_record):
    from seodang.records import Turn

    item = build_record("What is it?", WORDS, "x")
    training = [build_record("And now?", "", "y", turns=(Turn(role="user", content=f"Look: {WORDS}"),))]
    assert [leak[:3] for leak in list_leaks([item], training)] == [(0, 0, "ngram")]


def test_without_items_there_is_no_index():
    assert gather_items([], np.zeros(0), 20) is None
