"""What a file of a source is called."""

from __future__ import annotations

import pytest

from seodang.ingest.fetch.files import build_file_name, redact_url


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://me:pw@host/a.json", "https://host/a.json"),
        ("https://me:p@w@host/a.json", "https://host/a.json"),
        ("https://me:p/w@host/a.json", "https://..."),
        ("https://host/pkg@1.0/a.json?token=x", "https://host/pkg@1.0/a.json?token=..."),
        ("zip://*.jsonl::ftp://me:pw@host/a.zip", "zip://*.jsonl::ftp://host/a.zip"),
        ("hf://owner/name@main", "hf://owner/name@main"),
        ("data/a.json", "data/a.json"),
    ],
)
def test_a_redacted_url_holds_no_secret(url, redacted):
    assert redact_url(url) == redacted


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/b.csv", "b.csv"),
        ("/", "file"),
        ("/a/..", "file"),
        ("/한글 표.tsv", "한글_표.tsv"),
        ("/a%00/x" + "y" * 300 + ".json", "y" * 55 + ".json"),
    ],
)
def test_a_file_name_from_an_address_is_safe_and_keeps_its_suffix(path, name):
    assert build_file_name(path) == name


def test_a_file_name_of_korean_letters_fits_into_a_file_system():
    assert len(build_file_name("/" + "가" * 200 + ".jsonl").encode()) <= 255
