"""Rewording: copies of evaluation items with some words or endings changed."""

import numpy as np
import pytest

from seodang.preparation.features import find_templates
from seodang.preparation.rewording import RewordingSearch

QUESTION = "Explain to a young student why the leaves of maple trees turn red before they fall in autumn"
ANSWER = "The green pigment decays when the nights grow cold and the sugar in the leaf becomes red pigment"
KOREAN_QUESTION = "가을이 되면 설악산의 단풍이 왜 산꼭대기에서부터 아래로 물들어 내려오는지 설명하세요"
KOREAN_ANSWER = "높은 곳의 기온이 먼저 내려가서 잎의 엽록소가 일찍 줄어들고 붉은 색소가 드러나기 때문입니다"


@pytest.fixture
def list_rewordings(tmp_path, build_prepare_params, find_all_duplicates, count_phrases):
    """Returns a function that lists (item, training record) of every reworded copy, both counted from 0."""

    def list_rewordings(items, training):
        records = [*items, *training]
        prepare = build_prepare_params()
        rows = find_all_duplicates(records, prepare, tmp_path)[0].rows
        numbered = list(enumerate(records))
        search = RewordingSearch(
            numbered[: len(items)],
            rows,
            np.asarray(find_templates(rows, 20)),
            prepare.deduplication,
            count_phrases(records),
            tmp_path,
        )
        for record in numbered[len(items) :]:
            search.add([record])
        found = search.find()
        return sorted({(item, record - len(items)) for record, item, _ in found})

    return list_rewordings


def test_other_words_in_question_and_answer_are_a_reworded_copy(list_rewordings, build_record):
    items = [build_record(QUESTION, "", ANSWER)]
    copy = build_record(
        QUESTION.replace("young", "gnuoy").replace("autumn", "fall season"),
        "",
        ANSWER.replace("nights", "sthgin").replace("becomes", "semoceb"),
    )
    assert list_rewordings(items, [copy, build_record("Tell me something.", "", copy.output)]) == [(0, 0), (0, 1)]


def test_other_korean_endings_and_blanks_are_a_reworded_copy(list_rewordings, build_record):
    items = [build_record(KOREAN_QUESTION, "", KOREAN_ANSWER)]
    copy = build_record(
        "가을에 설악산에서 단풍은 왜 산꼭대기부터 아래로 물들어 내려오는지 설명해 주세요",
        "",
        "높은 곳은 기온이 먼저 내려가 잎에서 엽록소가 일찍 줄어들며 붉은색소가 드러나기때문이에요",
    )
    assert list_rewordings(items, [copy]) == [(0, 0)]


def test_a_similar_question_with_another_answer_is_no_copy(list_rewordings, build_record):
    items = [build_record("What is the capital city of the European country France today?", "", "Paris")]
    training = [
        build_record("What is the capital city of the European country Spain today?", "", "Madrid"),
        build_record("감정은?", "정말 재미있다", "긍정"),
    ]
    assert list_rewordings(items, training) == []


LONG_QUESTION = (
    "My landlord wants to raise the rent of the flat on the third floor by a quarter from next March on although the heating"
    " has been broken since October; which steps should we take first"
)


def test_a_long_question_in_other_words_is_a_copy_whatever_the_answer(list_rewordings, build_record):
    copy = LONG_QUESTION.replace("landlord", "lessor").replace("flat", "unit").replace("steps", "measures")
    training = [build_record(copy, "", "Write to the tenants' union."), build_record(ANSWER, "", "Yes.")]
    assert list_rewordings([build_record(LONG_QUESTION, "", "Collect evidence first.")], training) == [(0, 0)]


def test_a_long_instruction_with_another_input_is_no_copy(list_rewordings, build_record):
    items = [build_record(LONG_QUESTION, "the house in Busan", "Collect evidence first.")]
    assert list_rewordings(items, [build_record(LONG_QUESTION, "a shop in Seoul", "Write to the union.")]) == []


@pytest.mark.parametrize(("copies", "found"), [(20, 20), (21, 0)])
def test_an_item_that_many_records_reword_is_boilerplate(list_rewordings, build_record, copies, found):
    training = [build_record(f"{QUESTION} {'x' * number}", "", f"{ANSWER} {'y' * number}") for number in range(copies)]
    assert len(list_rewordings([build_record(QUESTION, "", ANSWER)], training)) == found
