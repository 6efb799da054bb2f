"""The advice of each message, followed literally, reads all rows."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po
from tests.constants import ROOT
from tests.ingest.advice_cases import CASES, ELSEWHERE, Case

from seodang.config import IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.ingest.rows import Row, get_field_error
from seodang.ingest.sources import iter_source_rows
from seodang.ingest.tally import Tally

# Verbs with which the messages of ingest advise.
ADVICE = re.compile(
    r"\b(?:add|convert|correct|decompress|export|extract|fetch|keep|leave|list|make|name|open|put|remove|rename|repair"
    r"|restore|run|save|set|split|try|use|write)\b"
)


PRIMER = {"seed": 0, "sentiment_per_language": 0, "classification_per_language": 0, "open_per_language": 0}


def list_advice() -> list[str]:
    with (ROOT / "src/seodang/locale/ko/ingest.po").open("rb") as file:
        ids = [message.id if isinstance(message.id, str) else message.id[0] for message in read_po(file)]
    return [id for id in ids if ADVICE.search(id)]


@pytest.mark.parametrize("message", list_advice())
def test_each_message_with_advice_has_a_case_or_a_reason(message):
    assert message.startswith((*CASES, *ELSEWHERE)), "add a case to tests/ingest/advice_cases.py"


def test_each_case_and_reason_belongs_to_a_message():
    advice = list_advice()
    assert [start for start in (*CASES, *ELSEWHERE) if not any(text.startswith(start) for text in advice)] == []


@pytest.fixture
def try_source(tmp_path, build_file_source, caplog):
    """Returns the rows of an entry of params.yaml that can be read, and all messages."""

    def try_entry(entry: dict[str, Any]) -> tuple[list[Row], str]:
        caplog.clear()
        caplog.set_level(logging.INFO)
        params = SourceParams.model_validate({**build_file_source("own", "data"), **entry})
        ingest = IngestParams.model_validate(
            {"sources": [params.model_dump()], "primer": PRIMER, "max_field_characters": 1000}
        )
        rows: list[Row] = []
        message = ""
        try:
            rows = list(iter_source_rows(params, ingest, tmp_path, Tally()))
        except SourceError as error:
            message = str(error)
        errors = [row for row in rows if any(map(get_field_error, (row["instruction"], row["output"])))]
        readable = [row for row in rows if row not in errors]
        return readable, "\n".join([message, *caplog.messages, *(str(row["output"]) for row in errors)])

    return try_entry


def write_files(folder: Path, case: Case) -> None:
    (folder / "data").mkdir()
    for name, content in case.files.items():
        (folder / "data" / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("start", "case"),
    [pytest.param(start, case, id=f"{start[:40]}-{i}") for start in CASES for i, case in enumerate(CASES[start])],
)
def test_advice_that_is_followed_literally_reads_all_rows(tmp_path, monkeypatch, try_source, start, case):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, case)
    rows, message = try_source(case.entry)
    assert re.search(make_pattern(start), message), message
    entry = case.follow(tmp_path, message.splitlines()[0] or message.strip(), case.entry)
    rows, message = try_source(entry)
    if case.next_message:
        assert case.next_message in message
    else:
        assert len(rows) == case.rows, message
        assert not re.search(make_pattern(start), message)


def make_pattern(start: str) -> str:
    """Return the pattern of a message from its beginning, which may end in the middle of a placeholder's text."""
    return re.sub(r"(\\\{)+\w+(\\\})+", ".*?", re.escape(start))
