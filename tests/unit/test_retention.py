"""The retention task's questions: made by their generator, and of no kind that the primer teaches."""

import json
from pathlib import Path

from seodang.data.primer.families import families
from seodang.data.primer.retention import retention_rows

FILE = Path(__file__).resolve().parents[2] / "tasks" / "data" / "retention.jsonl"


def test_the_file_is_what_the_generator_makes():
    assert [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] == list(retention_rows())


def test_no_question_stands_twice_and_both_languages_have_as_many():
    rows = list(retention_rows())
    assert len({(row["question"], row["input"]) for row in rows}) == len({row["id"] for row in rows}) == len(rows) == 300
    assert [sum(row["language"] == language for row in rows) for language in ("ko", "en")] == [150, 150]


def test_no_record_of_the_primer_asks_such_a_question():
    taught = {wording for family in families().values() for wording in (*family.korean, *family.english)}
    assert not taught.intersection(row["question"] for row in retention_rows())
