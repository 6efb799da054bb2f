"""Datasets on the Hugging Face hub, played by a server on this machine."""

from __future__ import annotations

import pytest
from tests.ingest.fetch.content import BODY

from seodang.ingest.fetch.locate import locate_files

FIRST, SECOND = "a" * 40, "b" * 40
FILES = {
    "README.md": b"x",
    "films.py": b"raise SystemExit",
    "dataset_infos.json": b"{}",
    "train/a.jsonl": BODY,
    "train/b.parquet": b"PAR1",
    "test.csv.gz": b"gz",
}


@pytest.fixture
def dataset(monkeypatch, make_dataset, serve_dataset):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    one = make_dataset(
        "someone/films",
        {FIRST: FILES, SECOND: {"train/a.jsonl": b"{}"}},
        {"main": FIRST, "refs/convert/parquet": SECOND},
    )
    with serve_dataset(one) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield one, site


def test_a_branch_is_resolved_and_its_commit_recorded(tmp_path, dataset, caplog, build_source):
    files = locate_files(build_source("hf://someone/films@main/train/*"), tmp_path, tmp_path / "cache")
    assert [file.url for file in files] == [
        f"hf://someone/films@{FIRST}/train/a.jsonl",
        f"hf://someone/films@{FIRST}/train/b.parquet",
    ]
    assert files[0].path.read_bytes() == BODY
    assert FIRST in caplog.text


def test_only_data_files_of_a_dataset_are_fetched(tmp_path, dataset, get_source_error, locate_paths):
    at = f"hf://someone/films@{FIRST}"
    assert locate_paths(tmp_path, at) == [f"{at}/test.csv.gz", f"{at}/train/a.jsonl", f"{at}/train/b.parquet"]
    assert locate_paths(tmp_path, f"{at}/train") == [f"{at}/train/a.jsonl", f"{at}/train/b.parquet"]
    assert not any("films.py" in path for _, path, _ in dataset[1].requests)
    assert "matches no data file" in get_source_error(tmp_path, f"{at}/films.py")


def test_a_commit_that_was_fetched_needs_no_network(tmp_path, dataset, locate_paths):
    locate_paths(tmp_path, f"hf://someone/films@{FIRST}/train")
    before = len(dataset[1].requests)
    locate_paths(tmp_path, f"hf://someone/films@{FIRST}/train")
    assert len(dataset[1].requests) == before


def test_a_branch_that_moves_is_followed(tmp_path, dataset, build_source, locate_paths):
    one, _ = dataset
    locate_paths(tmp_path, "hf://someone/films@main/train/a.jsonl")
    one.branches["main"] = SECOND
    (file,) = locate_files(build_source("hf://someone/films@main/train/a.jsonl"), tmp_path, tmp_path / "cache")
    assert file.path.read_bytes() == b"{}"
    assert locate_paths(tmp_path, "hf://someone/films@refs/convert/parquet") == [
        f"hf://someone/films@{SECOND}/train/a.jsonl"
    ]


def test_a_private_dataset_takes_its_token_from_the_environment_alone(
    tmp_path, dataset, monkeypatch, get_source_error, locate_paths, read_all
):
    dataset[0].private = True
    assert "set HF_TOKEN" in get_source_error(tmp_path, "hf://someone/films@main/train")
    monkeypatch.setenv("HF_TOKEN", "hf_loopback")
    assert len(locate_paths(tmp_path, "hf://someone/films@main/train")) == 2
    assert "hf_loopback" not in read_all(tmp_path / "cache")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("hf://someone/films", "the revision is required"),
        ("hf://someone/films@", "the revision is required"),
        ("hf://someone/films@main/*.tsv", "matches no data file (.json, .jsonl"),
        ("hf://someone/films@v9", "has no such revision"),
        ("hf://someone/other@main", "there is no such dataset, or it is private"),
    ],
)
def test_the_message_about_an_unusable_dataset_gives_the_fix(tmp_path, dataset, path, message, get_source_error):
    assert message in get_source_error(tmp_path, path)
