"""The filters of Alpaca in both languages, and novelty."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.evaluation.metrics import compute_rouge_l
from seodang.primer.generator import iter_bundled_records
from seodang.synthesis.novelty import NoveltyPool
from seodang.synthesis.task_filters import FilterLimits, find_rejection

LIMITS = {
    "en": FilterLimits(language="en", min_words=4, max_words=20),
    "ko": FilterLimits(language="ko", min_words=3, max_words=20),
}


def find(instruction, language, *, choices="", output="good"):
    rejected = find_rejection(
        {"instruction": instruction, "choices": choices, "input": "", "output": output}, LIMITS[language]
    )
    return rejected and (rejected.reason, rejected.detail)


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Name three ways to save water.", None),
        ("Describe the image.", ("too_short", "3 words")),
        ("word " * 21, ("too_long", "21 words")),
        ("Describe the image that is shown here.", ("forbidden_word", "image")),
        ("Say why filenames and imagery matter.", None),
        ("Please go to the page and read it.", ("forbidden_word", "go to")),
        ("Write a program that adds two numbers.", ("program", "")),
        ("- Name three ways to save water.", ("starts_with_punctuation", "-")),
        ("…and then name three ways.", ("starts_with_punctuation", "…")),
        ("물을 아끼는 방법 세 가지를 알려 주세요.", ("starts_with_other_script", "물")),
        ("Énumérez trois fruits de saison.", ("starts_with_other_script", "É")),
    ],
)
def test_an_english_instruction_passes_or_fails_as_in_alpaca(instruction, expected):
    assert find(instruction, "en") == expected


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("물을 아끼는 방법 세 가지를 알려 주세요.", None),
        ("SNS 글을 한 문장으로 줄여 주세요.", None),
        ("3월의 절기를 모두 알려 주세요.", None),
        ("다음 글을 요약하세요.", None),
        ("요약해 주세요.", ("too_short", "2 words")),
        ("아래 사진을 보고 설명해 주세요.", ("forbidden_word", "사진")),
        ("이 도시의 지도를 찾아 주세요.", ("forbidden_word", "지도")),
        ("학생을 지도하는 방법을 알려 주세요.", None),
        ("좋은 지도자의 조건을 설명해 주세요.", None),
        ("고양이 한 마리를 그려 주세요.", ("forbidden_word", "그리다")),
        ("두 수를 더하는 프로그램을 작성하세요.", ("program", "")),
        ("「봄」이라는 시를 한 편 써 주세요.", None),
        ("'되'와 '돼'를 구별해 주세요.", None),
        ("'- 세 가지를 나열하세요.", ("starts_with_punctuation", "'")),
        ("「水」의 뜻을 알려 주세요.", ("starts_with_other_script", "水")),
        ("Name three ways to save water.", ("other_language", "en")),
        ("水を節約する方法を 教えて ください", ("starts_with_other_script", "水")),
    ],
)
def test_a_korean_instruction_is_not_rejected_for_its_script(instruction, expected):
    assert find(instruction, "ko") == expected


@pytest.mark.parametrize(
    ("choices", "output", "expected"),
    [
        ("positive | negative", "negative", None),
        ("positive | negative", "Negative.", ("answer_not_a_choice", "Negative.")),
        ("positive", "positive", ("choices_unusable", "positive")),
        ("a | b | a", "a", ("choices_unusable", "a | b | a")),
    ],
)
def test_the_answer_of_a_classification_task_is_one_of_its_choices(choices, output, expected):
    assert find("Say how the review sounds.", "en", choices=choices, output=output) == expected


def test_a_korean_instruction_that_differs_in_its_ending_only_is_not_new():
    pool = NoveltyPool(["다음 문장을 영어로 번역하세요.", "건강을 유지하는 방법을 알려 주세요."])
    found = pool.find_most_similar("다음 문장을 영어로 번역해 주세요.")
    assert found.instruction == "다음 문장을 영어로 번역하세요."
    assert found.rouge_l >= 0.7
    assert pool.find_most_similar("별자리의 유래를 이야기해 보세요.").rouge_l < 0.7
    pool.add("별자리의 유래를 이야기해 보세요.")
    assert pool.find_most_similar("별자리의 유래를 이야기해 보세요.").rouge_l == 1.0


def test_nothing_is_like_an_instruction_where_nothing_is_known():
    assert NoveltyPool([]).find_most_similar("가나다").rouge_l == 0.0


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5), st.text(max_size=20))
def test_the_pool_gives_the_rouge_l_of_the_metric(known, instruction):
    assert NoveltyPool(known).find_most_similar(instruction).rouge_l == pytest.approx(
        max(compute_rouge_l(instruction, other) for other in known)
    )


@pytest.mark.parametrize("language", ["ko", "en"])
def test_hand_written_seed_tasks_pass_the_filters_of_form(language):
    records = list(iter_bundled_records("seed_tasks.jsonl", task="seed", cluster="seed"))
    limits = replace(LIMITS[language], max_words=150)
    found = Counter(
        rejected.reason
        for record in records
        if record.language == language
        and (rejected := find_rejection({"instruction": record.instruction, "output": record.output}, limits))
    )
    # Two Korean ones speak of files and photos, and one asks for a program.
    assert found == ({"forbidden_word": 2, "program": 1} if language == "ko" else {})
