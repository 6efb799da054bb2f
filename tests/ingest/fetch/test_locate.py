"""Where the files of a source are found on this machine, and what is said when they are not there."""

from __future__ import annotations

import json
import logging
import os

import pytest
from tests.ingest.fetch.content import BODY, SHA256


def laid(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(BODY)


def test_a_path_a_glob_and_a_folder_name_their_files_in_order(tmp_path, locate_paths):
    laid(tmp_path, "data/b.jsonl", "data/a.csv", "data/more/c.parquet", "data/more/d.jsonl.gz")
    assert locate_paths(tmp_path, "data/b.jsonl") == ["data/b.jsonl"]
    assert locate_paths(tmp_path, "data/*") == ["data/a.csv", "data/b.jsonl"]
    assert locate_paths(tmp_path, "data/**/*.jsonl*") == ["data/b.jsonl", "data/more/d.jsonl.gz"]
    assert (
        locate_paths(tmp_path, "data")
        == locate_paths(tmp_path, "./data/")
        == ["data/a.csv", "data/b.jsonl", "data/more/c.parquet", "data/more/d.jsonl.gz"]
    )
    assert locate_paths(tmp_path / "data" / "more", "../a.csv") == ["../a.csv"]
    assert locate_paths(tmp_path, (tmp_path / "data" / "a.csv").as_uri()) == ["data/a.csv"]


def test_auxiliary_files_are_ignored_and_possible_data_files_are_logged(tmp_path, caplog, locate_paths):
    laid(
        tmp_path,
        "data/a.json",
        "data/.gitignore",
        "data/.hidden/b.json",
        "data/README.md",
        "data/README.ko.md",
        "data/LICENSE.txt",
        "data/NOTICE",
        "data/a.json.dvc",
        "data/notice.csv",
        "data/table.xls",
    )
    with caplog.at_level(logging.INFO):
        assert locate_paths(tmp_path, "data") == ["data/a.json", "data/notice.csv"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["data/table.xls was ignored"]
    assert locate_paths(tmp_path, "data/*") == ["data/a.json", "data/notice.csv", "data/table.xls"]


def test_an_empty_folder_gives_no_file_and_no_error(tmp_path, locate_paths):
    laid(tmp_path, "data/README.md")
    assert locate_paths(tmp_path, "data") == []


def test_a_folder_leaves_to_other_sources_what_they_name_more_closely(tmp_path, build_source, locate_paths):
    laid(tmp_path, "data/a.json", "data/films.tsv", "data/wic/dev.tsv", "data/x1.csv", "data/x2.csv")
    others = [
        build_source("data"),
        build_source("data/films.tsv", name="films"),
        build_source("data/wic", name="wic"),
        build_source("./data/x*.csv", name="x"),
        build_source("s3://b/k", name="s"),
    ]
    assert locate_paths(tmp_path, "data", others) == ["data/a.json"]
    assert locate_paths(tmp_path, "data/wic", others) == ["data/wic/dev.tsv"]
    assert locate_paths(tmp_path, "data/films.tsv", others) == ["data/films.tsv"]


def test_links_to_folders_are_followed_and_circles_end(tmp_path, locate_paths):
    laid(tmp_path, "elsewhere/a.json", "data/b.json")
    (tmp_path / "data" / "far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "round").symlink_to(tmp_path / "data")
    assert locate_paths(tmp_path, "data") == ["data/b.json", "data/far/a.json"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/no.json", "data/no.json does not exist, relative to "),
        ("data/*.tsv", "data/*.tsv matches no file, relative to "),
        ("no/*.tsv", "no/*.tsv matches no file: no does not exist"),
        ("data/pipe", "data/pipe is neither a regular file nor a folder"),
    ],
)
def test_the_message_about_a_path_without_a_match_gives_the_fix(tmp_path, path, message, get_source_error):
    laid(tmp_path, "data/a.json")
    os.mkfifo(tmp_path / "data" / "pipe")
    assert message in get_source_error(tmp_path, path)


@pytest.mark.parametrize("path", ["data/big.jsonl", "data/*.jsonl", "data", "data/**"])
def test_a_file_that_dvc_tracks_and_that_is_not_here_is_never_silently_left_out(
    tmp_path, path, get_source_error, locate_paths
):
    laid(tmp_path, "data/a.jsonl")
    (tmp_path / "data" / "big.jsonl.dvc").write_text("outs:\n- md5: 00\n  path: big.jsonl\n")
    assert "dvc pull data/big.jsonl" in get_source_error(tmp_path, path)
    laid(tmp_path, "data/big.jsonl")
    assert "data/big.jsonl" in locate_paths(tmp_path, path)


@pytest.mark.parametrize("path", ["data/corpus", "data/corpus/a.jsonl", "data/corpus/*.jsonl", "data"])
def test_a_folder_that_dvc_tracks_and_that_is_not_here_is_pulled_as_a_whole(tmp_path, path, get_source_error):
    laid(tmp_path, "data/other.jsonl")
    (tmp_path / "data" / "corpus.dvc").write_text("outs:\n- md5: 00.dir\n  path: corpus\n")
    assert get_source_error(tmp_path, path).endswith("dvc pull data/corpus")


def test_a_local_file_is_checked_against_sha256_where_it_is_given(tmp_path, get_source_error, locate_paths):
    laid(tmp_path, "a.json", "b.json")
    assert locate_paths(tmp_path, "a.json", sha256=SHA256) == ["a.json"]
    message = get_source_error(tmp_path, "a.json", sha256="0" * 64)
    assert f"expected {'0' * 64}, found {SHA256};" in message
    assert "matches 2; name one file" in get_source_error(tmp_path, "*.json", sha256=SHA256)


def test_the_manifest_names_the_address_and_the_hash_of_each_file(tmp_path, build_source, serve_files):
    from seodang.config import AlignParams, IngestParams
    from seodang.config.load import resolve_params
    from seodang.paths import Paths
    from seodang.stages import ingest

    primer = {"seed": 1, "sentiment_per_language": 1, "classification_per_language": 1, "open_per_language": 1}
    (tmp_path / "data").mkdir()
    with serve_files({"/data/a.jsonl": BODY}) as site:
        chosen = [
            build_source(f"{site.url}/data/a.jsonl", name="web", sha256=SHA256).model_dump(),
            build_source("data", name="own").model_dump(),
        ]
        ingest.run(
            ingest=IngestParams.model_validate({"sources": chosen, "primer": primer, "max_field_characters": 1000}),
            align=AlignParams.model_validate(resolve_params({})["align"]),
            paths=Paths(tmp_path),
        )
    web, own = json.loads((tmp_path / "artifacts" / "ingest" / "manifest.json").read_text("utf-8"))["sources"]
    assert web["files"] == [
        {
            "path": f"{site.url}/data/a.jsonl",
            "sha256": SHA256,
            "bytes": len(BODY),
            "encoding": "utf-8",
            "url": f"{site.url}/data/a.jsonl",
        }
    ]
    assert (web["rows_read"], own["rows_read"], own["files"]) == (400, 0, [])
