"""Quotes: questions and gold answers of evaluation items inside training records."""

import pytest

from seodang.preparation.features import find_templates
from seodang.preparation.quotes import count_letters, drop_boilerplate, find_quotes, gather_needles
from seodang.records import Turn

GOLD = "The heart pumps blood through two circuits, one to the lungs and one to the rest of the body"
KOREAN_GOLD = "심장은 폐로 가는 길과 온몸으로 가는 길로 피를 내보냅니다"
SHORT = "Who discovered penicillin?"


@pytest.fixture
def list_quotes(tmp_path, build_prepare_params, find_all_duplicates, count_phrases):
    """Returns a function that lists (kind, item, training record) of every quote, both counted from 0."""

    def list_quotes(items, training):
        records = [*items, *training]
        rows = find_all_duplicates(records, build_prepare_params(), tmp_path)[0].rows
        numbered = list(enumerate(records))
        boilerplate = count_phrases(records)
        needles = gather_needles(numbered[: len(items)], rows, find_templates(rows, 20), boilerplate)
        quotes = drop_boilerplate(find_quotes(numbered[len(items) :], needles, rows, boilerplate), 20)
        return [(kind, item, record - len(items)) for kind, record, item in quotes]

    return list_quotes


def test_the_gold_answer_under_another_question_is_a_leak(list_quotes, build_record):
    items = [build_record("How does the heart work?", "", GOLD), build_record("심장은?", "", KOREAN_GOLD)]
    training = [
        build_record("Tell me something.", "", GOLD.upper() + "!"),
        build_record("Tell me more.", "", f"Here it is: {GOLD}. Good luck."),
        build_record("Translate the text.", GOLD, "심장은 피를 돌립니다"),
        build_record("아무 말이나 하세요", "", KOREAN_GOLD.replace(" ", "  ") + "."),
        build_record("Tell me something.", "", GOLD[: len(GOLD) // 2]),
    ]
    assert list_quotes(items, training) == [("answer", 0, 0), ("answer", 0, 1), ("answer", 0, 2), ("answer", 1, 3)]


def test_short_answers_labels_and_common_answers_give_nothing_away(list_quotes, build_record):
    refusal = "I am sorry, but I cannot help you with this request, because it is not allowed."
    label = "the speaker agrees with the statement without any reservation"
    items = [
        build_record("감정은?", "정말 재미있다", "긍정"),
        build_record("괜찮아요?", "", "네"),
        build_record("Do you agree, in the case of item 1?", "", label, choices=(label, "no")),
        *(build_record(f"Question number {number} about x{number}?", "", refusal) for number in range(4)),
    ]
    training = [
        build_record("다른 물음", "", "긍정"),
        build_record("또 다른 물음", "", "네"),
        build_record("Another", "", label),
        build_record("And another", "", refusal),
    ]
    assert list_quotes(items, training) == []


def test_a_title_as_gold_answer_may_stand_in_a_longer_text(list_quotes, build_record):
    item = build_record("Name a novel.", "", "The Picture of Dorian Gray by Oscar Wilde")
    training = [
        build_record("List novels.", "", "The Picture of Dorian Gray by Oscar Wilde, Emma by Austen"),
        build_record("What did he read?", "", "The picture of Dorian Gray, by Oscar Wilde."),
    ]
    assert list_quotes([item], training) == [("answer", 0, 1)]


def test_a_short_question_quoted_in_an_answer_or_an_earlier_turn_is_a_leak(list_quotes, build_record):
    items = [build_record(SHORT, "", "Fleming"), build_record("대한민국의 수도는?", "", "서울")]
    training = [
        build_record("Write an exam.", "", f"1. {SHORT} 2. Who discovered radium?"),
        build_record("시험 문제를 내세요", "", "문제: '대한민국의 수도는?'라고 물으세요."),
        build_record("And radium?", "", "Curie", turns=(Turn(role="user", content=SHORT),)),
        build_record("Write an exam.", "", "Who discovered penicillins?"),
    ]
    assert list_quotes(items, training) == [("quote", 0, 0), ("quote", 1, 1), ("quote", 0, 2)]


def test_numbers_and_greetings_are_too_short_to_be_quotes(list_quotes, build_record):
    items = [build_record("합은?", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "55"), build_record("Good evening!", "", "Hello")]
    training = [
        build_record("목록을 쓰세요", "", "numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"),
        build_record("Greet me.", "", "Good evening! How was your day?"),
    ]
    assert list_quotes(items, training) == []


def test_the_instruction_of_a_template_is_no_quote_and_its_long_input_is(list_quotes, build_record):
    template = "Decide whether the review is positive or negative."
    texts = [f"The waiter of restaurant {chr(97 + number)} was kind to us all evening" for number in range(25)]
    items = [build_record(template, text, "positive") for text in texts]
    training = [
        build_record("Write a task.", "", f"A task may say: {template}"),
        build_record("Write a review.", "", f"{texts[3]}. We come again."),
    ]
    assert list_quotes(items, training) == [("quote", 3, 1)]


def test_a_text_that_many_records_quote_is_boilerplate(list_quotes, build_record):
    items = [build_record("What can I do for you today?", "", "Nothing")]
    training = [
        build_record(f"Greet customer {number}", "", f"{number}: What can I do for you today?") for number in range(21)
    ]
    assert list_quotes(items, training) == []
    assert len(list_quotes(items, training[:20])) == 20


def test_a_hangul_syllable_counts_as_two_letters_and_a_digit_as_none():
    assert count_letters("서울 is 605 km²") == 4 + 2 + 2


def test_a_short_question_inside_a_longer_question_is_a_leak(list_quotes, build_record):
    items = [
        build_record("Who first discovered penicillin?", "", "Fleming"),
        build_record("대한민국의 수도는 어디인가요?", "", "서울"),
    ]
    training = [
        build_record(
            "I am writing an essay. Who first discovered penicillin? Answer in a full sentence.", "", "It was Fleming."
        ),
        build_record(
            "다음 질문에 답하세요. 대한민국의 수도는 어디인가요? 한 문장으로 쓰세요.", "", "서울특별시입니다."
        ),
        build_record("Who first discovered penicillins and their uses?", "", "Several people."),
    ]
    assert list_quotes(items, training) == [("quote", 0, 0), ("quote", 1, 1)]


def test_the_same_input_under_another_question_is_no_quote(list_quotes, build_record):
    text = "The council has decided to widen the bridge over the river."
    items = [build_record("How many words are there?", text, "11")]
    assert list_quotes(items, [build_record("Which language is it?", text, "English")]) == []
