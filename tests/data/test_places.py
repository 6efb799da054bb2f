"""Where the files of a source are found, how they are fetched, and what is said when they are not there."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import ssl
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import Dataset, Site, handler, hub, serving

from seodang.data import remote_files, web_files
from seodang.data.files import file_name, shown_url
from seodang.data.places import local_files
from seodang.errors import SourceError
from seodang.params import SourceParams

BODY = b'{"instruction": "a", "output": "b"}\n' * 400
SHA256 = hashlib.sha256(BODY).hexdigest()
SECRET = "hunter2"


def source(path, **changes):
    fields = dict.fromkeys(("sha256", "columns", "table", "language", "task", "cluster", "limit", "cap"))
    chosen = {"name": "mine", "kind": "file", "path": path, "format": "auto", "role": "any", "weight": 1.0, "replay": False, "licence": "CC0-1.0"}
    return SourceParams.model_validate({**fields, **chosen, **changes})


def laid(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(BODY)


def places(root, path, others=(), **changes):
    return [file.place for file in local_files(source(path, **changes), root, root / "cache", others)]


def refused(root, path, **changes):
    with pytest.raises(SourceError) as caught:
        local_files(source(path, **changes), root, root / "cache")
    return str(caught.value)


# --- on this machine ---


def test_a_path_a_glob_and_a_folder_name_their_files_in_order(tmp_path):
    laid(tmp_path, "data/b.jsonl", "data/a.csv", "data/more/c.parquet", "data/more/d.jsonl.gz")
    assert places(tmp_path, "data/b.jsonl") == ["data/b.jsonl"]
    assert places(tmp_path, "data/*") == ["data/a.csv", "data/b.jsonl"]
    assert places(tmp_path, "data/**/*.jsonl*") == ["data/b.jsonl", "data/more/d.jsonl.gz"]
    assert places(tmp_path, "data") == places(tmp_path, "./data/") == ["data/a.csv", "data/b.jsonl", "data/more/c.parquet", "data/more/d.jsonl.gz"]
    assert places(tmp_path / "data" / "more", "../a.csv") == ["../a.csv"]
    assert places(tmp_path, (tmp_path / "data" / "a.csv").as_uri()) == ["data/a.csv"]


def test_what_lies_beside_the_data_is_left_out_and_what_may_be_data_is_told(tmp_path, caplog):
    laid(tmp_path, "data/a.json", "data/.gitignore", "data/.hidden/b.json", "data/README.md", "data/README.ko.md", "data/LICENSE.txt", "data/a.json.dvc", "data/table.xlsx")
    with caplog.at_level(logging.INFO):
        assert places(tmp_path, "data") == ["data/a.json"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["data/table.xlsx was left out"]
    assert places(tmp_path, "data/*") == ["data/a.json", "data/table.xlsx"]


def test_an_empty_folder_gives_no_file_and_no_fault(tmp_path):
    laid(tmp_path, "data/README.md")
    assert places(tmp_path, "data") == []


def test_a_folder_leaves_to_other_sources_what_they_name_more_closely(tmp_path):
    laid(tmp_path, "data/a.json", "data/films.tsv", "data/wic/dev.tsv", "data/x1.csv", "data/x2.csv")
    others = [source("data"), source("data/films.tsv", name="films"), source("data/wic", name="wic"), source("./data/x*.csv", name="x"), source("s3://b/k", name="s")]
    assert places(tmp_path, "data", others) == ["data/a.json"]
    assert places(tmp_path, "data/wic", others) == ["data/wic/dev.tsv"]
    assert places(tmp_path, "data/films.tsv", others) == ["data/films.tsv"]


def test_links_to_folders_are_followed_and_circles_end(tmp_path):
    laid(tmp_path, "elsewhere/a.json", "data/b.json")
    (tmp_path / "data" / "far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "round").symlink_to(tmp_path / "data")
    assert places(tmp_path, "data") == ["data/b.json", "data/far/a.json"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/no.json", "data/no.json does not exist, seen from "),
        ("data/*.tsv", "data/*.tsv matches no file: seen from "),
        ("no/*.tsv", "no/*.tsv matches no file: no does not exist"),
        ("data/pipe", "data/pipe is neither a file nor a folder"),
    ],
)
def test_a_path_that_names_nothing_is_told_with_what_to_do(tmp_path, path, message):
    laid(tmp_path, "data/a.json")
    os.mkfifo(tmp_path / "data" / "pipe")
    assert message in refused(tmp_path, path)


@pytest.mark.parametrize("path", ["data/big.jsonl", "data/*.jsonl", "data", "data/**"])
def test_a_file_that_dvc_tracks_and_that_is_not_here_is_never_silently_left_out(tmp_path, path):
    laid(tmp_path, "data/a.jsonl")
    (tmp_path / "data" / "big.jsonl.dvc").write_text("outs:\n- md5: 00\n  path: big.jsonl\n")
    assert "dvc pull data/big.jsonl" in refused(tmp_path, path)
    laid(tmp_path, "data/big.jsonl")
    assert "data/big.jsonl" in places(tmp_path, path)


@pytest.mark.parametrize("path", ["data/corpus", "data/corpus/a.jsonl", "data/corpus/*.jsonl", "data"])
def test_a_folder_that_dvc_tracks_and_that_is_not_here_is_pulled_as_a_whole(tmp_path, path):
    laid(tmp_path, "data/other.jsonl")
    (tmp_path / "data" / "corpus.dvc").write_text("outs:\n- md5: 00.dir\n  path: corpus\n")
    assert refused(tmp_path, path).endswith("dvc pull data/corpus")


def test_a_local_file_is_checked_against_sha256_where_it_is_given(tmp_path):
    laid(tmp_path, "a.json", "b.json")
    assert places(tmp_path, "a.json", sha256=SHA256) == ["a.json"]
    message = refused(tmp_path, "a.json", sha256="0" * 64)
    assert f"expected {'0' * 64}, found {SHA256};" in message
    assert "names 2; name one file" in refused(tmp_path, "*.json", sha256=SHA256)


# --- http(s) ---


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(web_files, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(web_files, "_TIMEOUTS", (2.0, 2.0))
    with serving(Site({"/data/a.jsonl": BODY})) as running:
        yield running


def fetched(root, site, path="/data/a.jsonl", sha256=SHA256):
    (file,) = local_files(source(site.url + path, sha256=sha256), root, root / "cache")
    assert file.path.read_bytes() == BODY
    assert sorted(entry.name for entry in file.path.parent.iterdir() if not entry.name.startswith(".lock")) == [file.path.name]
    return file


def test_a_web_file_is_fetched_once_and_keeps_its_name(tmp_path, site):
    file = fetched(tmp_path, site)
    assert (file.place, file.url, file.path.name) == (f"{site.url}/data/a.jsonl",) * 2 + ("a.jsonl",)
    fetched(tmp_path, site)
    assert len(site.asked) == 1


def test_a_cached_file_that_was_damaged_is_fetched_again(tmp_path, site):
    fetched(tmp_path, site).path.write_bytes(b"damaged")
    fetched(tmp_path, site)
    assert len(site.asked) == 2


@pytest.mark.parametrize("failure", [500, 503, 429, "cut", "drop"])
def test_what_may_pass_is_tried_again(tmp_path, site, failure):
    site.failures = [failure]
    fetched(tmp_path, site)
    assert len(site.asked) == 2


def test_a_download_that_broke_off_goes_on_where_it_was_even_in_another_run(tmp_path, site):
    half, quarter = len(BODY) // 2, len(BODY) // 4
    site.failures = ["cut", "cut", 500]
    assert "the server answers 500; 3 tries" in refused(tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256)
    fetched(tmp_path, site)
    assert [asked for _, _, asked in site.asked] == ["", f"bytes={half}-", f"bytes={half + quarter}-", f"bytes={half + quarter}-"]


def test_a_server_without_ranges_is_asked_for_the_whole(tmp_path, site):
    site.ranges = False
    site.failures = ["cut"]
    fetched(tmp_path, site)


@pytest.mark.parametrize("left", [b"another version", BODY, BODY + b"more"], ids=["other", "whole", "longer"])
def test_what_an_earlier_run_left_never_spoils_the_file(tmp_path, site, left):
    part = tmp_path / "cache" / "web" / SHA256 / ".part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    fetched(tmp_path, site)


def test_another_file_than_sha256_names_is_told_with_both_hashes_and_not_kept(tmp_path, site):
    message = refused(tmp_path, f"{site.url}/data/a.jsonl", sha256="1" * 64)
    assert f"expected {'1' * 64}, found {SHA256} ({len(BODY):,} bytes);" in message
    assert "params.yaml" in message
    assert [entry.name for entry in (tmp_path / "cache" / "web" / ("1" * 64)).iterdir() if not entry.name.startswith(".lock")] == []


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "answers 404: it has no such file"), (403, "answers 403: it does not allow it"), (401, "answers 401: it asks for credentials"), (418, "answers 418")],
)
def test_a_refusal_is_told_at_once(tmp_path, site, status, message):
    site.failures = [status]
    assert message in refused(tmp_path, f"{site.url}/data/a.jsonl", sha256=SHA256)
    assert len(site.asked) == 1


def test_an_unknown_host_a_closed_port_and_a_wrong_address_are_told_apart(tmp_path, site):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "the host's name is not known (DNS)" in refused(tmp_path, "http://no-such-host.invalid/a.json", sha256=SHA256)
    assert "the host refuses the connection" in refused(tmp_path, f"http://127.0.0.1:{port}/a.json", sha256=SHA256)
    assert "is no address that can be asked" in refused(tmp_path, "http:///a.json", sha256=SHA256)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(tmp_path, site, monkeypatch):
    monkeypatch.setattr(web_files, "_TIMEOUTS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer in time; 3 tries" in refused(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}/a.json", sha256=SHA256)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, site):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"],
        check=True,
        capture_output=True,
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        assert "the server's certificate cannot be trusted" in refused(tmp_path, f"https://127.0.0.1:{server.server_address[1]}/data/a.jsonl", sha256=SHA256)
    finally:
        server.shutdown()
        server.server_close()


def everything_under(folder: Path) -> str:
    return "\n".join([str(path) for path in folder.rglob("*")] + [path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()])


@pytest.mark.parametrize("failures", [[], [404], [500] * 3, ["drop"] * 3])
def test_a_password_and_a_token_stand_in_no_message_no_log_and_no_name(tmp_path, site, caplog, monkeypatch, failures):
    monkeypatch.setenv("DATA_TOKEN", SECRET)
    site.failures = failures
    url = site.url.replace("http://", "http://me:${DATA_TOKEN}@") + "/data/a.jsonl?sig=${DATA_TOKEN}&id=7"
    with caplog.at_level(logging.DEBUG):
        try:
            said = repr(local_files(source(url, sha256=SHA256), tmp_path, tmp_path / "cache"))
        except SourceError as error:
            said = str(error)
    assert site.asked[0][1] == f"/data/a.jsonl?sig={SECRET}&id=7"
    assert site.authorization[0].startswith("Basic ")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("seodang"))
    assert SECRET not in said + ours + everything_under(tmp_path)
    assert "me:" not in said
    assert "a.jsonl?sig=...&id=..." in said


def test_a_variable_that_is_not_set_is_named(tmp_path):
    assert "the environment variable NOT_SET_HERE is not set" in refused(tmp_path, "https://x:${NOT_SET_HERE}@localhost/a.json", sha256=SHA256)


@pytest.mark.parametrize(
    ("url", "shown"),
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
def test_a_url_is_shown_without_what_may_be_secret(url, shown):
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("path", "name"), [("/a/b.csv", "b.csv"), ("/", "file"), ("/a/..", "file"), ("/한글 표.tsv", "한글_표.tsv"), ("/a%00/x" + "y" * 300 + ".json", "y" * 95 + ".json")]
)
def test_a_file_name_from_an_address_is_safe_and_keeps_its_suffix(path, name):
    assert file_name(path) == name


# --- fsspec ---


@pytest.fixture
def memory():
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("a.jsonl", "b.jsonl", "README.md", "loader.py"):
        system.pipe(f"/bucket/{name}", BODY)
    yield system
    system.store.clear()


def test_a_store_gives_a_file_a_glob_and_a_folder(tmp_path, memory):
    assert places(tmp_path, "memory://bucket/a.jsonl") == ["memory://bucket/a.jsonl"]
    assert places(tmp_path, "memory://bucket/*.jsonl") == places(tmp_path, "memory://bucket") == ["memory://bucket/a.jsonl", "memory://bucket/b.jsonl"]


def test_a_file_of_a_store_is_fetched_again_only_when_it_has_changed(tmp_path, memory, monkeypatch):
    opened = []
    read = remote_files._copy
    monkeypatch.setattr(remote_files, "_copy", lambda system, name, part: opened.append(name) or read(system, name, part))
    for _ in range(2):
        (file,) = local_files(source("memory://bucket/a.jsonl", sha256=SHA256), tmp_path, tmp_path / "cache")
        assert file.path.read_bytes() == BODY
    assert len(opened) == 1
    memory.pipe("/bucket/a.jsonl", b"changed")
    assert f"found {hashlib.sha256(b'changed').hexdigest()}" in refused(tmp_path, "memory://bucket/a.jsonl", sha256=SHA256)
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://bucket/no.json", "memory://bucket/no.json does not exist"),
        ("memory://bucket/*.tsv", "names no data file"),
        ("gs://bucket/a.json", 'needs a package that is not installed: python -m pip install gcsfs "fsspec=='),
        ("nope://bucket/a.json", "nope://bucket/a.json is no address that can be used: expected http(s), hf, s3"),
    ],
)
def test_a_store_that_cannot_be_used_is_told_with_what_to_do(tmp_path, memory, path, message):
    assert message in refused(tmp_path, path)


def test_the_words_of_a_driver_are_not_passed_on(tmp_path, memory, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"login with {SECRET} failed")

    monkeypatch.setattr(type(memory), "info", fail)
    message = refused(tmp_path, "memory://bucket/a.jsonl")
    assert "cannot be fetched (RuntimeError)" in message
    assert SECRET not in message


# --- the hub ---

FIRST, SECOND = "a" * 40, "b" * 40
FILES = {"README.md": b"x", "films.py": b"raise SystemExit", "dataset_infos.json": b"{}", "train/a.jsonl": BODY, "train/b.parquet": b"PAR1", "test.csv.gz": b"gz"}


@pytest.fixture
def dataset(monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    one = Dataset("someone/films", {FIRST: FILES, SECOND: {"train/a.jsonl": b"{}"}}, {"main": FIRST, "refs/convert/parquet": SECOND})
    with hub(one) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield one, site


def test_a_branch_is_resolved_and_its_commit_recorded(tmp_path, dataset, caplog):
    files = local_files(source("hf://someone/films@main/train/*"), tmp_path, tmp_path / "cache")
    assert [file.url for file in files] == [f"hf://someone/films@{FIRST}/train/a.jsonl", f"hf://someone/films@{FIRST}/train/b.parquet"]
    assert files[0].path.read_bytes() == BODY
    assert FIRST in caplog.text


def test_only_data_files_of_a_dataset_are_fetched(tmp_path, dataset):
    at = f"hf://someone/films@{FIRST}"
    assert places(tmp_path, at) == [f"{at}/test.csv.gz", f"{at}/train/a.jsonl", f"{at}/train/b.parquet"]
    assert places(tmp_path, f"{at}/train") == [f"{at}/train/a.jsonl", f"{at}/train/b.parquet"]
    assert not any("films.py" in path for _, path, _ in dataset[1].asked)
    assert "names no data file" in refused(tmp_path, f"{at}/films.py")


def test_a_commit_that_was_fetched_needs_no_network(tmp_path, dataset):
    places(tmp_path, f"hf://someone/films@{FIRST}/train")
    before = len(dataset[1].asked)
    places(tmp_path, f"hf://someone/films@{FIRST}/train")
    assert len(dataset[1].asked) == before


def test_a_branch_that_moves_is_followed(tmp_path, dataset):
    one, _ = dataset
    places(tmp_path, "hf://someone/films@main/train/a.jsonl")
    one.branches["main"] = SECOND
    (file,) = local_files(source("hf://someone/films@main/train/a.jsonl"), tmp_path, tmp_path / "cache")
    assert file.path.read_bytes() == b"{}"
    assert places(tmp_path, "hf://someone/films@refs/convert/parquet") == [f"hf://someone/films@{SECOND}/train/a.jsonl"]


def test_a_private_dataset_takes_its_token_from_the_environment_alone(tmp_path, dataset, monkeypatch):
    dataset[0].private = True
    assert "set HF_TOKEN" in refused(tmp_path, "hf://someone/films@main/train")
    monkeypatch.setenv("HF_TOKEN", "hf_loopback")
    assert len(places(tmp_path, "hf://someone/films@main/train")) == 2
    assert "hf_loopback" not in everything_under(tmp_path / "cache")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("hf://someone/films", "the revision must be given"),
        ("hf://someone/films@", "the revision must be given"),
        ("hf://someone/films@main/*.tsv", "names no data file (.json, .jsonl"),
        ("hf://someone/films@v9", "has no such revision"),
        ("hf://someone/other@main", "there is no such dataset, or it is private"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_told_with_what_to_do(tmp_path, dataset, path, message):
    assert message in refused(tmp_path, path)


def test_the_manifest_names_the_address_and_the_hash_of_each_file(tmp_path, site):
    from seodang.params import IngestParams
    from seodang.paths import Paths
    from seodang.stages import ingest

    primer = {"seed": 1, "sentiment_per_language": 1, "classification_per_language": 1, "open_per_language": 1}
    (tmp_path / "data").mkdir()
    chosen = [source(f"{site.url}/data/a.jsonl", name="web", sha256=SHA256).model_dump(), source("data", name="own").model_dump()]
    ingest.run(ingest=IngestParams.model_validate({"sources": chosen, "primer": primer, "max_field_characters": 1000}), paths=Paths(tmp_path))
    web, own = json.loads((tmp_path / "artifacts" / "ingest" / "manifest.json").read_text("utf-8"))["sources"]
    assert web["files"] == [{"path": f"{site.url}/data/a.jsonl", "sha256": SHA256, "bytes": len(BODY), "url": f"{site.url}/data/a.jsonl"}]
    assert (web["rows_read"], own["rows_read"], own["files"]) == (400, 0, [])
