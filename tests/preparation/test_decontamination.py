"""Which training records give an evaluation item away."""

import numpy as np
import pytest
from preparing_cases import prepare_params, record, surveyed

from seodang.preparation.decontamination import find_leaks, gather_items, read_questions
from seodang.preparation.features import find_templates

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar"
KOREAN = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"


@pytest.fixture
def leaks_of(tmp_path):
    """Return (item, training record, kind, overlap) for every leak, both counted from 0."""

    def find(items, training, **changes):
        prepare = prepare_params(**changes)
        records = [*items, *training]
        rows = surveyed(records, prepare, tmp_path)[0].rows
        bare = find_templates(rows, prepare.deduplication.template_after)
        numbered = list(enumerate(records))
        gathered = gather_items(
            read_questions(numbered[: len(items)], bare, prepare, include_answers=False),
            rows,
            prepare.deduplication.template_after,
        )
        assert gathered is not None
        chunks = read_questions(numbered[len(items) :], bare, prepare, include_answers=True)
        found = [
            leak for chunk in chunks for leak in find_leaks(chunk, gathered, rows, prepare.decontamination.threshold)
        ]
        return [(leak.item, leak.record - len(items), leak.kind, round(leak.overlap, 3)) for leak in found]

    return find


def test_the_same_question_is_a_leak_whatever_its_answer_case_and_punctuation(leaks_of):
    items = [record("대한민국의 수도는?", "", "서울"), record("Name a river.", "", "Rhine")]
    training = [
        record("name a River!", "", "Danube"),
        record("대한민국의 수도는", "", ""),
        record("Name a lake.", "", "Rhine"),
    ]
    assert leaks_of(items, training) == [(1, 0, "exact", 1.0), (0, 1, "exact", 1.0)]


def test_an_item_that_is_only_a_prompt_is_protected_too(leaks_of):
    assert leaks_of([record("Name a river.", "", "")], [record("Name a river.", "", "Rhine")]) == [(0, 0, "exact", 1.0)]


def test_the_same_input_with_the_same_answer_in_other_words_is_a_leak(leaks_of):
    items = [record("감정을 분류하세요", "정말 재미있다", "긍정"), record("감정을 분류하세요", "정말 지루하다", "")]
    training = [
        record("긍정입니까, 부정입니까?", "정말 재미있다.", "긍정"),
        record("글자 수를 세세요", "정말 재미있다", "7"),
        record("글자 수를 세세요", "정말 지루하다", "7"),
    ]
    assert leaks_of(items, training) == [(0, 0, "exact", 1.0), (1, 2, "exact", 1.0)]


def test_one_word_names_a_fact_which_other_words_may_teach(leaks_of):
    assert (
        leaks_of([record("What is the opposite?", "big", "small")], [record("Give the antonym.", "big", "small")]) == []
    )


def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_not(leaks_of):
    words = WORDS.split()
    item = record("Repeat: " + " ".join(words[:14]), "", "x")  # 15 words: 3 n-grams, of which 1 is in the first record
    thirteen = record("Something else", "", "It said " + ", ".join(words[1:14]) + " and more")
    twelve = record("Something else", "", "It said " + " ".join(words[1:13]) + " and more")
    assert leaks_of([item], [thirteen, twelve], leaks={"threshold": 0.99}) == [(0, 0, "ngram", 0.333)]


def test_thirty_korean_letters_without_blanks_are_a_leak_and_twenty_nine_are_not(leaks_of):
    letters = KOREAN.replace(" ", "")
    item = record("다음을 요약하세요", KOREAN, "단풍")
    thirty = record("다른 물음", f"처음 {letters[3:20]} {letters[20:33]} 끝", "답")
    fewer = record("다른 물음", f"처음 {letters[3:20]} {letters[20:32]} 끝", "답")
    found = leaks_of([item], [thirty, fewer], leaks={"threshold": 0.99})
    # the input has 38 letters, so 9 n-grams of 30, of which 1 is shared
    assert len(letters) == 38
    assert found == [(0, 0, "ngram", 0.111)]


def test_a_nearly_equal_question_is_a_leak(leaks_of):
    item = record(f"{KOREAN}. 왜 그럴까요?", "", "기온이 낮아서")
    training = [
        record(f"{KOREAN.replace('천천히', '천천')}. 왜 그럴까요?", "", "모른다"),
        record(KOREAN[::-1], "", "모른다"),
    ]
    found = leaks_of([item], training, leaks={"characters_ko": 60})
    assert [leak[:3] for leak in found] == [(0, 0, "minhash")]
    assert 0.8 <= found[0][3] < 1


def test_the_instruction_of_a_template_gives_nothing_away_and_its_input_does(leaks_of):
    long = f"Classify the text that follows the line, as the annotators of the {WORDS} corpus did."
    items = [record(long, f"text number {number} of the evaluation", "a") for number in range(15)]
    training = [record(long, f"remark {number} for training", "b") for number in range(15)]
    copied = record(long, "text number 3 of the evaluation", "c")
    assert leaks_of(items, [*training, copied]) == [(3, 15, "exact", 1.0)]


def test_what_stands_in_many_items_instructions_is_boilerplate(leaks_of):
    items = [record(f"{WORDS} {number}", "", "a") for number in range(25)]
    training = [record(f"{WORDS} in another question, which goes on about quite different things", "", "b")]
    assert leaks_of(items, training) == []
    assert {leak[2] for leak in leaks_of(items[:20], training)} == {"ngram"}


def test_a_passage_in_many_items_inputs_still_counts(leaks_of):
    items = [record(f"Question {number}?", WORDS, "a") for number in range(25)]
    assert len(leaks_of(items, [record("Summarise it", WORDS, "b")])) == 25


def test_turns_before_the_question_are_read_too(leaks_of):
    from seodang.records import Turn

    item = record("What is it?", WORDS, "x")
    training = [record("And now?", "", "y", turns=(Turn(role="user", content=f"Look: {WORDS}"),))]
    assert [leak[:3] for leak in leaks_of([item], training)] == [(0, 0, "ngram")]


def test_without_items_there_is_nothing_to_search():
    assert gather_items([], np.zeros(0), 20) is None
