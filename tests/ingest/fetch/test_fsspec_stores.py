"""Files in a store that fsspec knows: fetched once for each version. S3 itself is in test_dvc_data.py."""

from __future__ import annotations

import hashlib

import fsspec
import pytest
from tests.ingest.fetch.content import BODY, SECRET, SHA256

from seodang.ingest.fetch import fsspec_stores
from seodang.ingest.fetch.locate import locate_files


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    for name in ("a.jsonl", "b.jsonl", "README.md", "loader.py"):
        system.pipe(f"/bucket/{name}", BODY)
    yield system
    system.store.clear()


def test_a_store_gives_a_file_a_glob_and_a_folder(tmp_path, memory, locate_paths):
    assert locate_paths(tmp_path, "memory://bucket/a.jsonl") == ["memory://bucket/a.jsonl"]
    assert (
        locate_paths(tmp_path, "memory://bucket/*.jsonl")
        == locate_paths(tmp_path, "memory://bucket")
        == ["memory://bucket/a.jsonl", "memory://bucket/b.jsonl"]
    )


def test_a_file_of_a_store_is_fetched_again_only_when_it_has_changed(
    tmp_path, memory, monkeypatch, build_source, get_source_error
):
    opened = []
    read = fsspec_stores._copy
    monkeypatch.setattr(
        fsspec_stores, "_copy", lambda system, name, part: opened.append(name) or read(system, name, part)
    )
    for _ in range(2):
        (file,) = locate_files(build_source("memory://bucket/a.jsonl", sha256=SHA256), tmp_path, tmp_path / "cache")
        assert file.path.read_bytes() == BODY
    assert len(opened) == 1
    memory.pipe("/bucket/a.jsonl", b"changed")
    assert f"found {hashlib.sha256(b'changed').hexdigest()}" in get_source_error(
        tmp_path, "memory://bucket/a.jsonl", sha256=SHA256
    )
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://bucket/no.json", "memory://bucket/no.json does not exist"),
        ("memory://bucket/*.tsv", "matches no data file"),
        ("gs://bucket/a.json", 'needs a package that is not installed: python -m pip install gcsfs "fsspec=='),
        ("nope://bucket/a.json", "nope://bucket/a.json has an unknown scheme; expected http(s), hf, s3"),
    ],
)
def test_the_message_about_an_unusable_store_gives_the_fix(tmp_path, memory, path, message, get_source_error):
    assert message in get_source_error(tmp_path, path)


def test_the_words_of_a_driver_are_not_passed_on(tmp_path, memory, monkeypatch, get_source_error):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"login with {SECRET} failed")

    monkeypatch.setattr(type(memory), "info", fail)
    message = get_source_error(tmp_path, "memory://bucket/a.jsonl")
    assert "cannot be fetched (RuntimeError)" in message
    assert SECRET not in message
