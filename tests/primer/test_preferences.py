"""The preference pairs of the primer: deterministic, balanced in length, and not about evaluation items."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.constants import ROOT

from seodang.io.jsonl import read_rows
from seodang.primer.generator import iter_primer_records
from seodang.primer.preferences import iter_primer_preferences
from seodang.validation.checks.language import is_korean_text

SEED = 1446


@pytest.fixture(scope="module")
def pairs():
    return list(iter_primer_preferences(SEED))


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others(pairs):
    assert pairs == list(iter_primer_preferences(SEED))
    assert pairs != list(iter_primer_preferences(1))


def test_there_are_about_four_hundred_pairs_half_in_each_language(pairs):
    counts = Counter(pair.language for pair in pairs)
    assert 380 <= len(pairs) <= 420
    assert counts["ko"] == counts["en"]
    assert {(pair.language, pair.task) for pair in pairs} == {
        (language, task) for language in ("ko", "en") for task in ("curt", "rambling", "made_up", "needless_refusal")
    }


def test_each_pair_asks_another_question(pairs):
    assert len({(pair.instruction, pair.input) for pair in pairs}) == len(pairs)
    assert all(pair.output != pair.rejected for pair in pairs)


def test_no_side_is_the_longer_one_in_more_than_55_percent_of_the_pairs(pairs):
    for language in ("ko", "en"):
        differences = [len(pair.output) - len(pair.rejected) for pair in pairs if pair.language == language]
        assert 0.45 <= sum(difference > 0 for difference in differences) / len(differences) <= 0.55
        assert 0.45 <= sum(difference < 0 for difference in differences) / len(differences) <= 0.55


def test_a_long_answer_is_right_as_often_as_a_short_one_to_what_nobody_knows(pairs):
    differences = [len(pair.output) - len(pair.rejected) for pair in pairs if pair.task == "made_up"]
    assert 0.4 <= sum(difference > 0 for difference in differences) / len(differences) <= 0.6


def test_better_korean_answers_are_polite_and_all_texts_are_in_one_language(pairs):
    for pair in pairs:
        if pair.language == "ko":
            assert all(is_korean_text(text, 1) for text in (pair.instruction, pair.output))
            sentences = [part.strip() for part in pair.output.replace("?", ".").split(".") if part.strip()]
            polite = ("다", "요", "네", "저런", "시오", "아니요")
            assert all(sentence.split(", ")[-1].endswith(polite) for sentence in sentences), pair.output
        else:
            assert (pair.instruction + pair.input + pair.output + pair.rejected).isascii()


def test_no_text_of_a_pair_is_one_of_an_evaluation_item(pairs):
    records = iter_primer_records(
        seed=SEED, sentiment_per_language=500, classification_per_language=120, open_per_language=60
    )
    items = {text for record in records for text in (record.instruction, record.input)}
    for file in sorted((ROOT / "tasks" / "data").glob("*.jsonl")):
        items |= {value for row in read_rows(file) for value in row.values() if isinstance(value, str)}
    texts = {text for pair in pairs for text in (pair.instruction, pair.input, pair.output, pair.rejected) if text}
    assert len(items) > 3000
    assert not texts & items
