"""docs/data-formats.md says what is so: its examples are read as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tiny_sources import rows_of

from seodang.config import SourceParams
from seodang.ingest.formats.classification import load_bundled_tables
from seodang.ingest.rows import get_field_error

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "data-formats.md").read_text("utf-8")
SECTIONS = [
    (section.split("\n", 1)[0], *block)
    for section in PAGE.split("\n### ")[1:]
    for block in re.findall(r"```(json|csv)\n(.*?)```", section, re.DOTALL)
]
SOURCES = [yaml.safe_load(block)[0] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize(("name", "kind", "text"), SECTIONS)
def test_an_example_is_recognised_as_the_format_that_it_stands_under(tmp_path, name, kind, text):
    rows = rows_of(
        tmp_path, text if kind == "csv" else [json.loads(line) for line in text.splitlines()], file=f"example.{kind}"
    )
    assert {row["format"] for row in rows} == {name}
    assert not any(
        get_field_error(row[field]) for row in rows for field in ("instruction", "input", "output", "rejected")
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source["name"])
def test_a_source_of_the_page_can_be_written_into_params_yaml(source):
    assert SourceParams.model_validate(source).format in {"sharegpt", "columns", "table"}


def test_all_formats_and_tables_stand_on_the_page():
    assert {name for name, _, _ in SECTIONS} == {
        "alpaca",
        "koalpaca",
        "self-instruct",
        "dolly",
        "qa",
        "sharegpt",
        "messages",
        "dialogue",
        "preference",
        "kto",
        "prompts",
    }
    assert all(f"`{table.name}`" in PAGE for table in load_bundled_tables())
