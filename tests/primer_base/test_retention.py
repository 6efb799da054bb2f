"""The questions about retained and replayed skills: generated, disjoint, and not taught by the primer."""

import json
from pathlib import Path

import pytest

from seodang.evaluation.forgetting import normalize_instruction
from seodang.primer.families import build_families
from seodang.primer_base.corpus import build_practice_families
from seodang.primer_base.retention import REPLAYED_KINDS, RETAINED_KINDS, iter_questions

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "retention": ROOT / "tasks" / "data" / "retention.jsonl",
    "replayed": ROOT / "tasks" / "data" / "replayed.jsonl",
    "replay": ROOT / "models" / "primer-base" / "replay.jsonl",
}


@pytest.mark.parametrize("questions", FILES)
def test_the_file_is_what_the_generator_makes(questions):
    assert [json.loads(line) for line in FILES[questions].read_text("utf-8").splitlines()] == list(
        iter_questions(questions)
    )


def test_the_evaluated_inputs_are_never_trained_on():
    inputs = {name: {row["input"] for row in iter_questions(name)} for name in FILES}
    assert not (inputs["retention"] | inputs["replayed"]) & inputs["replay"]


def test_no_instruction_of_the_retention_task_is_replayed():
    templates = {name: {normalize_instruction(row["instruction"]) for row in iter_questions(name)} for name in FILES}
    assert not templates["retention"] & templates["replay"]
    assert templates["replayed"] == templates["replay"]


def test_the_kinds_are_practised_by_the_base_and_no_kind_is_on_both_sides():
    assert not set(REPLAYED_KINDS) & set(RETAINED_KINDS)
    assert {*REPLAYED_KINDS, *RETAINED_KINDS} <= set(build_practice_families())


@pytest.mark.parametrize("questions", ["retention", "replayed"])
def test_no_question_stands_twice_and_each_language_has_enough_for_a_test(questions):
    rows = list(iter_questions(questions))
    assert len({(row["instruction"], row["input"]) for row in rows}) == len({row["id"] for row in rows}) == len(rows)
    assert min(sum(row["id"].startswith(language) for row in rows) for language in ("ko", "en")) >= 100


def test_no_record_of_the_primer_asks_such_a_question():
    taught = {
        template
        for family in build_families().values()
        for template in (*family.korean_templates, *family.english_templates)
    }
    assert not taught.intersection(row["instruction"] for name in FILES for row in iter_questions(name))
