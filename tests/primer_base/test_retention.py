"""The questions of the retention task and the replayed ones: generated, disjoint, and not taught by the primer."""

import json
from pathlib import Path

import pytest

from seodang.primer.families import build_families
from seodang.primer_base.retention import iter_questions

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "retention": ROOT / "tasks" / "data" / "retention.jsonl",
    "replay": ROOT / "models" / "primer-base" / "replay.jsonl",
}


@pytest.mark.parametrize("half", FILES)
def test_the_file_is_what_the_generator_makes(half):
    assert [json.loads(line) for line in FILES[half].read_text("utf-8").splitlines()] == list(iter_questions(half))


def test_the_evaluated_questions_are_never_trained_on():
    evaluated, replayed = ({row["input"] for row in iter_questions(half)} for half in FILES)
    assert not evaluated & replayed


def test_no_question_stands_twice_and_each_language_has_enough_for_a_test():
    rows = list(iter_questions("retention"))
    assert len({(row["instruction"], row["input"]) for row in rows}) == len({row["id"] for row in rows}) == len(rows)
    assert min(sum(row["id"].startswith(language) for row in rows) for language in ("ko", "en")) >= 100


def test_no_record_of_the_primer_asks_such_a_question():
    taught = {
        template
        for family in build_families().values()
        for template in (*family.korean_templates, *family.english_templates)
    }
    assert not taught.intersection(row["instruction"] for half in FILES for row in iter_questions(half))
