"""The instructions that a recipe starts from: those of the inputs that it uses, and no others."""

from __future__ import annotations

import pytest

from seodang.io.jsonl import write_rows
from seodang.synthesis.recipes.instructions import read_instructions

TASKS = [
    {"instruction": "인사말을 쓰세요.", "output": "안녕하세요."},
    {"instruction": "Name three fruits.", "output": "Apple, pear, plum"},
    {"instruction": "Name three colours.", "output": ""},
    {"instruction": "Name three rivers.", "output": "Han, Nile, Rhine"},
]
WORDS = dict.fromkeys(("field", "found", "reason_en", "reason_ko", "fix_en", "fix_ko"), "words")
REFUSED = {"id": "refusal", "severity": "reject", **WORDS}
DELETED = {"id": "record-rejected", "severity": "reject", **WORDS}


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("self-instruct", {"seeds": "tasks.jsonl", "language": "en"}, [1, 3]),
        ("translate", {"tasks": "tasks.jsonl", "language": "ko", "limit": None}, [1, 2, 3]),
        ("translate", {"tasks": "tasks.jsonl", "language": "ko", "limit": 2}, [1, 2]),
        ("answer", {"prompts": "tasks.jsonl", "limit": 1}, [0]),
        ("rewrite", {"quarantine": "quarantine.jsonl", "limit": None}, [0, 2, 3]),
        ("rewrite", {"quarantine": "quarantine.jsonl", "limit": 2}, [0, 2]),
    ],
)
def test_tasks_that_a_recipe_leaves_out_are_not_among_its_instructions(
    tmp_path, make_recipe_params, kind, settings, expected
):
    write_rows(tmp_path / "tasks.jsonl", TASKS)
    lines = [{"row": row, "rules": [DELETED if number == 1 else REFUSED]} for number, row in enumerate(TASKS)]
    write_rows(tmp_path / "quarantine.jsonl", lines)
    instructions = read_instructions(make_recipe_params(kind, **settings).recipe, tmp_path)
    assert instructions == [TASKS[number]["instruction"] for number in expected]
