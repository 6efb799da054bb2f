"""The Korean of the answers of each source: what is counted, what is not, and at what cost."""

from __future__ import annotations

import json

import pytest

from seodang.reports.data_card import korean_answers
from seodang.reports.data_card.korean_answers import KoreanAnswers

POLITE = "학교에 갔습니다. 수업을 들었습니다."
ANSWERS = {
    "polite": POLITE,
    "plain": "나는 학교에 갔다. 수업을 들었다.",
    "mixed_levels": "학교에 갔습니다. 수업을 들었다.",
    "wrong_particle": "어제 사과을 먹었습니다.",
    "repeated_clause": "오늘은 날씨가 아주 좋습니다. 오늘은 날씨가 아주 좋습니다.",
    "not_korean": "The weather is very nice today.",
}


@pytest.fixture
def measure():
    """Returns the figures of answers of the source faq, or of rows with other values."""

    def measure(*answers, examples=3, **values):
        korean = KoreanAnswers(examples, 1)
        for number, answer in enumerate(answers):
            row = {"source": "faq", "file": "faq.json", "source_row": number, "language": "ko", "choices": []}
            korean.add({**row, "output": answer, **values})
        return korean.report()

    return measure


@pytest.mark.parametrize("kind", ["mixed_levels", "wrong_particle", "repeated_clause", "not_korean"])
def test_each_kind_of_mark_is_counted_with_its_place(kind, measure):
    [source] = measure(POLITE, ANSWERS[kind])
    assert {name for name, count in source["counts"].items() if count} == {kind}
    [example] = source["examples"][kind]
    assert example["location"] == "faq.json, 1"
    assert example["excerpt"] in ANSWERS[kind]


def test_a_wrong_particle_has_the_form_that_fits(measure):
    [source] = measure(ANSWERS["wrong_particle"])
    assert source["examples"]["wrong_particle"] == [{"location": "faq.json, 0", "excerpt": "사과을", "expected": "를"}]


def test_styles_count_answers_that_keep_to_one(measure):
    [source] = measure(POLITE, ANSWERS["plain"], ANSWERS["mixed_levels"], "사과", "42")
    assert (source["answers"], source["measured"], source["polite"], source["plain"]) == (5, 5, 1, 1)


def test_the_share_of_hangul_is_a_mean_over_answers_with_letters(measure):
    [source] = measure(POLITE, "The weather", "42")
    assert source["hangul_share"] == 0.5
    assert measure("42", "3.5")[0]["hangul_share"] is None


@pytest.mark.parametrize("values", [{"language": "en"}, {"choices": ["긍정", "부정"]}, {"output": "  "}])
def test_other_languages_labels_and_empty_answers_are_left_out(values, measure):
    assert measure(POLITE, **values) == []


def test_without_the_analyzer_nothing_is_measured(measure, monkeypatch):
    monkeypatch.setattr(korean_answers, "has_analyzer", lambda: False)
    assert measure(POLITE) == []


def test_a_large_source_is_measured_on_a_sample_that_the_order_does_not_change(measure, monkeypatch):
    monkeypatch.setattr(korean_answers, "MAX_ANSWERS", 30)
    answers = [f"{number}번 사과을 먹었습니다." if number % 2 else POLITE for number in range(100)]
    [source] = measure(*answers)
    assert (source["answers"], source["measured"]) == (100, 30)
    assert 5 < source["counts"]["wrong_particle"] < 25
    assert len(source["examples"]["wrong_particle"]) == 3


def test_long_answers_do_not_take_longer_than_the_budget(measure, monkeypatch):
    monkeypatch.setattr(korean_answers, "MAX_TOTAL_CHARACTERS", 1_000)
    [source] = measure(*(f"{number} " + POLITE * 200 for number in range(40)))
    assert source["measured"] == 20


def test_personal_data_of_an_example_are_masked(measure):
    [source] = measure("제 번호는 010-9381-4027 입니다. 전화해라.")
    assert "9381" not in json.dumps(source, ensure_ascii=False)
