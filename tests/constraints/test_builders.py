"""Each builder of a constraint, and its phrasings in both languages."""

import json
import random
import re
from pathlib import Path

import pytest

from seodang.constraints.build import iter_requests, load_phrasings
from seodang.constraints.draft import Draft, list_words, split_points
from seodang.constraints.measures import CONTENTS, LENGTHS
from seodang.constraints.shapes import CASES, ENDS, FRAMES, MARKS, PARTS
from seodang.evaluation.ifeval.checking import check_instructions

BUILDERS = [builder for step in (PARTS, MARKS, CASES, ENDS, FRAMES, LENGTHS, CONTENTS) for builder in step]
ENGLISH_ONLY = {"build_lowercase", "build_uppercase", "build_capital_words"}
KOREAN_ONLY = {"build_character_count", "build_no_latin_letter", "build_sentence_endings"}
_OTHERS = ("사과", "바다", "harbor", "violin")
DRAFTS = {
    "ko": [
        Draft("봄나물 요리법을 설명하세요.", text, "ko", text, _OTHERS)
        for text in (
            "냉이를 씻습니다. 냉이를 데칩니다. 된장과 섞어 무칩니다.",
            "달래는 간장에 넣어 양념장으로 먹습니다.",
        )
    ],
    "en": [
        Draft("Describe a rainy street.", text, "en", text, _OTHERS)
        for text in ("Rain falls on the street. Lamps shine on wet stones. People hurry home.", "The rain is loud.")
    ],
}


def build_all(builder, language):
    found = [builder(draft, random.Random(seed)) for draft in DRAFTS[language] for seed in range(8)]
    return [constraint for constraint in found if constraint is not None]


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_the_answer_of_a_builder_follows_its_instruction(builder, language):
    constraints = build_all(builder, language)
    foreign = ENGLISH_ONLY if language == "ko" else KOREAN_ONLY
    assert bool(constraints) == (builder.__name__ not in foreign)
    for constraint in constraints:
        assert check_instructions([constraint.id], [constraint.arguments], constraint.answer).strict == (True,), (
            constraint
        )


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_phrasings_name_the_values_of_their_builder_alone(builder):
    for language in ("ko", "en"):
        for constraint in build_all(builder, language):
            phrasings = load_phrasings()[constraint.phrasing or constraint.id]
            for text in (*phrasings["ko"], *phrasings["en"]):
                assert "{" not in text.format_map(constraint.values).replace("{mark}", "")


def test_every_phrasing_belongs_to_a_constraint():
    keys = {
        constraint.phrasing or constraint.id
        for builder in BUILDERS
        for language in ("ko", "en")
        for constraint in build_all(builder, language)
    }
    assert keys == load_phrasings().keys()


def test_no_phrasing_is_that_of_an_evaluation_prompt():
    lines = Path("tasks/data/ifeval_ko.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    parts = [part.strip(" .,:;'\"") for text in iter_requests() for part in re.split(r"\{\w+\}", text)]
    assert [part for part in parts if len(part) >= 12 and any(part in prompt for prompt in prompts)] == []


def test_points_are_lines_without_marks_or_sentences():
    assert split_points("1. 하나\n2) 둘\n- 셋") == ["하나", "둘", "셋"]
    assert split_points("하나입니다. 둘입니다.") == ["하나입니다.", "둘입니다."]


def test_korean_words_lose_their_particles():
    assert list_words("바다에서 고래를 보았다. 바다는 넓다.", "ko") == ["바다", "고래", "보았다", "넓다"]
