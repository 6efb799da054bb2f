"""The examples in docs/data-formats.md are read as the page says, and the page covers every format."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from seodang.config import SourceParams
from seodang.config.load import read_item_defaults
from seodang.config.record_formats import COLUMNS, FORMATS, QA, TABLE
from seodang.ingest.formats.classification import load_bundled_tables
from seodang.ingest.formats.registry import FORMAT_SPECS
from seodang.ingest.rows import get_field_error

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "data-formats.md").read_text("utf-8")
SECTIONS = [
    (section.split("\n", 1)[0], *block)
    for section in PAGE.split("\n### ")[1:]
    for block in re.findall(r"```(json|csv)\n(.*?)```", section, re.DOTALL)
]
SOURCES = [yaml.safe_load(block)[0] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize(("name", "kind", "text"), SECTIONS)
def test_an_example_is_recognized_as_the_format_that_it_stands_under(tmp_path, name, kind, text, read_rows):
    rows = read_rows(
        tmp_path, text if kind == "csv" else [json.loads(line) for line in text.splitlines()], file=f"example.{kind}"
    )
    assert {row["format"] for row in rows} == {name}
    assert not any(
        get_field_error(row[field]) for row in rows for field in ("instruction", "input", "output", "rejected")
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source["name"])
def test_a_source_of_the_page_can_be_written_into_params_yaml(source):
    resolved = {**read_item_defaults("ingest", "sources"), **source}
    assert SourceParams.model_validate(resolved).format in {"sharegpt", "messages", "columns", "table"}


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_a_registered_format_has_a_spec_a_mention_and_an_example(format):
    read_without_spec = {QA, COLUMNS, TABLE}
    examples = {name for name, _, _ in SECTIONS} | {source["format"] for source in SOURCES}
    missing = []
    if format not in {spec.format for spec in FORMAT_SPECS} | read_without_spec:
        missing.append("a FormatSpec in FORMAT_SPECS of ingest/formats/registry.py")
    mentions = (f"`{format.name}`", f"### {format.name}\n", f"format: {format.name}\n")
    if not any(mention in PAGE for mention in mentions):
        missing.append("a mention in docs/data-formats.md")
    if format.name not in examples:
        missing.append(f"an example row under '### {format.name}' in docs/data-formats.md")
    assert not missing, f"format {format.name} lacks: {'; '.join(missing)}"


def test_all_bundled_tables_stand_on_the_page():
    assert all(f"`{table.name}`" in PAGE for table in load_bundled_tables())
