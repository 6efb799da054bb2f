"""The commands of docs/data.md run in a new repository with git and DVC, against real servers on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seodang.config import SourceParams
from seodang.config.load import DEFAULTS, merge_overlay, read_item_defaults
from seodang.config.profiles import read_starter
from seodang.ingest.fetch.locate import locate_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DOCS = ("data.md", "data.ko.md")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "loopback-secret", "AWS_DEFAULT_REGION": "us-east-1"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PRIMER = {"seed": 1, "sentiment_per_language": 2, "classification_per_language": 2, "open_per_language": 2}


def rows(*names: str) -> bytes:
    return "".join(
        json.dumps({"instruction": f"{name}에 대해 설명하세요.", "output": f"{name}입니다."}, ensure_ascii=False) + "\n"
        for name in names
    ).encode()


REVIEWS, FILMS, DIALOGUES = rows("사과", "배"), rows("영화"), rows("대화", "인사")
CHAT = "instruction,output\n안녕하세요?,반갑습니다.\n".encode()


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / name).read_text("utf-8"), re.DOTALL)


def commands(name: str) -> list[str]:
    lines = [line for block in blocks(name, "console") for line in block.splitlines()]
    return [line.removeprefix("$ ").split("  ")[0].strip() for line in lines if line.startswith("$ ")]


def script(name: str, *, until: str = "curl") -> list[str]:
    """Return the commands of a page up to the first one that needs the network's own servers."""
    found = commands(name)
    return found[: next(number for number, command in enumerate(found) if command.startswith(until))]


def environment(home: Path, **more: str) -> dict[str, str]:
    author = {f"GIT_{who}_{what}": f"{who}@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HF_", "GIT_"))}
    own = {
        "HOME": str(home),
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "DVC_NO_ANALYTICS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return {**kept, **author, **own, **more}


def run(folder: Path, text: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env=given, capture_output=True, text=True, timeout=300, check=False
    )


def done(folder: Path, text: str, given: dict[str, str]) -> str:
    result = run(folder, f"set -ex\n{text}", given)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text("[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n")
    (folder / ".config" / "dvc").mkdir(parents=True)
    (folder / ".config" / "dvc" / "config").write_text("[core]\n\tanalytics = false\n\tcheck_update = false\n")
    return folder


@pytest.fixture(scope="module")
def s3():
    """A local S3 server with one bucket; requests must carry the configured keys."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="loopback-secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="my-bucket")
    client.put_object(Bucket="my-bucket", Key="films/a.jsonl", Body=FILMS)
    client.put_object(Bucket="my-bucket", Key="films/README.md", Body=b"x")
    yield url, client
    server.stop()


@pytest.fixture(scope="module")
def web(serve_files):
    with serve_files({"/chat.csv": CHAT, "/films.csv": CHAT}) as site:
        yield site


def miniature(folder: Path, given: dict[str, str]) -> Path:
    """Make a repository whose pipeline is the stage `ingest` alone, with the data folder as it is shipped."""
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "models" / "primer-base").mkdir(parents=True)
    shutil.copy(ROOT / "models" / "primer-base" / "replay.jsonl", folder / "models" / "primer-base")
    (folder / "data").mkdir()
    for name in (".gitignore", "README.md"):
        shutil.copy(ROOT / "data" / name, folder / "data" / name)
    for name in (".gitignore", "inputs.lock"):
        shutil.copy(ROOT / name, folder)
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]["ingest"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ingest": {**stage, "deps": ["data"]}}}), "utf-8")
    (folder / "src" / "seodang" / "config").mkdir(parents=True)
    shutil.copy(DEFAULTS, folder / "src" / "seodang" / "config")  # a dependency of the stage
    params = merge_overlay(read_starter(), {"ingest": {"primer": PRIMER}})
    (folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True, sort_keys=False), "utf-8")
    done(folder, "git init -q && dvc init -q && git add . && git commit -qm start", given)
    (folder / "reviews.jsonl").write_bytes(REVIEWS)
    return folder


def corpus(folder: Path, given: dict[str, str]) -> Path:
    """Make another repository, whose folder `dialogues` is tracked by DVC with a separate remote."""
    (folder / "dialogues").mkdir()
    (folder / "dialogues" / "a.jsonl").write_bytes(DIALOGUES)
    done(
        folder,
        f"git init -q && dvc init -q && dvc remote add -d own {folder}/remote"
        " && dvc add dialogues && dvc push && git add . && git commit -qm start",
        given,
    )
    return folder


@pytest.fixture(scope="module")
def walkthrough(tmp_path_factory, home, s3, web):
    """Run the page's commands up to the pull in the clone; return the project, the output and the environment."""
    given = environment(home)
    folder = tmp_path_factory.mktemp("walkthrough")
    (folder / "project").mkdir()
    (folder / "corpus").mkdir()
    project = miniature(folder / "project", given)
    real = {
        "https://git.example.org/team/corpus.git": str(corpus(folder / "corpus", given)),
        "https://git.example.org/team/seodang.git": str(project),
        "https://minio.example.org": s3[0],
        "https://example.org": web.url,
        "/mnt/share/seodang": str(folder / "share"),
    }
    text = "\n".join(script(DOCS[0]))
    for written, location in real.items():
        text = text.replace(written, location)
    printed = done(project, text, given)
    return project, printed, environment(home, **KEYS)


def contents(project: Path) -> dict[str, bytes]:
    return {name: (project / "data" / name).read_bytes() for name in ("reviews.jsonl", "chat.csv", "dialogues/a.jsonl")}


def test_both_pages_give_the_same_commands_sources_and_paths():
    assert commands(DOCS[0]) == commands(DOCS[1])
    assert blocks(DOCS[0], "yaml") == blocks(DOCS[1], "yaml")
    paths = [
        re.findall(r"^\| [^|]+ \| (`[^`]+`) \|", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE)
        for name in DOCS
    ]
    assert paths[0] == paths[1]
    assert len(commands(DOCS[0])) > 15


def test_the_commands_end_with_the_same_bytes_in_the_clone(walkthrough):
    project, _, _ = walkthrough
    expected = {"reviews.jsonl": REVIEWS, "chat.csv": CHAT, "dialogues/a.jsonl": DIALOGUES}
    assert contents(project) == contents(project / "copy") == expected


def test_the_files_of_the_data_folder_are_ingested_here_and_in_the_clone(walkthrough):
    project, _, _ = walkthrough
    for folder in (project, project / "copy"):
        [own] = [
            source
            for source in json.loads((folder / "artifacts" / "ingest" / "manifest.json").read_text("utf-8"))["sources"]
            if source["name"] == "own"
        ]
        assert [(file["path"], file["sha256"]) for file in own["files"]] == [
            ("data/chat.csv", sha256(CHAT)),
            ("data/dialogues/a.jsonl", sha256(DIALOGUES)),
            ("data/reviews.jsonl", sha256(REVIEWS)),
        ]
        assert own["rows_read"] == 5


def test_git_holds_the_pointers_and_no_data(walkthrough):
    project, _, given = walkthrough
    tracked = done(project, "git ls-files data", given).split()
    assert {"data/reviews.jsonl.dvc", "data/chat.csv.dvc", "data/dialogues.dvc"} <= set(tracked)
    assert not [name for name in tracked if name.endswith((".jsonl", ".csv"))]


@pytest.mark.parametrize("remote", ["share", "s3"])
def test_with_the_cache_gone_each_remote_gives_the_same_bytes(walkthrough, remote):
    project, _, given = walkthrough
    clone = project / "copy"
    before = (clone / "data" / "reviews.jsonl").read_bytes()
    shutil.rmtree(clone / ".dvc" / "cache")
    (clone / "data" / "reviews.jsonl").unlink()
    done(clone, f"dvc pull -r {remote} data/reviews.jsonl", given)
    assert (clone / "data" / "reviews.jsonl").read_bytes() == before


def test_the_bytes_are_on_the_server_and_the_key_is_nowhere(walkthrough, s3):
    project, printed, _ = walkthrough
    keys = [entry["Key"] for entry in s3[1].list_objects_v2(Bucket="my-bucket", Prefix="seodang/")["Contents"]]
    assert f"seodang/files/md5/{(md5 := hashlib.md5(REVIEWS).hexdigest())[:2]}/{md5[2:]}" in keys
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in printed + (project / ".dvc" / "config").read_text()


def test_the_message_in_a_clone_without_the_data_says_what_to_pull(walkthrough):
    project, _, given = walkthrough
    done(project, "rm -rf bare && git clone -q . bare", given)
    result = run(project / "bare", "seodang stage ingest", given)
    assert result.returncode == 2
    assert "dvc pull data/chat.csv data/dialogues data/reviews.jsonl" in result.stderr


def test_a_file_that_changes_runs_ingest_again_and_one_that_does_not_runs_nothing(walkthrough):
    project, _, given = walkthrough
    clone = project / "copy"
    done(clone, "dvc repro", given)  # another test takes the cache away
    assert "Running stage" not in done(clone, "dvc repro", given)
    (clone / "data" / "more.jsonl").write_bytes(FILMS)
    assert "Running stage 'ingest'" in done(clone, "dvc repro", given)
    (clone / "data" / "more.jsonl").unlink()


def test_a_pointer_in_a_folder_below_data_is_not_hidden_from_git(walkthrough):
    project, _, given = walkthrough
    (project / "data" / "below").mkdir()
    (project / "data" / "below" / "b.jsonl").write_bytes(FILMS)
    assert "data/below/b.jsonl.dvc" in done(
        project, "dvc add data/below/b.jsonl && git add data && git ls-files data", given
    )


def entry() -> dict[str, object]:
    (one,) = yaml.safe_load(blocks(DOCS[0], "yaml")[0])
    return {**read_item_defaults("ingest", "sources"), **one}


def test_every_path_of_the_page_names_files(walkthrough, s3, web, monkeypatch, tmp_path, make_dataset, serve_dataset):
    project, _, _ = walkthrough
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3[0], "HF_HUB_DISABLE_XET": "1"}.items():
        monkeypatch.setenv(name, value)
    paths = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", (ROOT / "docs" / DOCS[0]).read_text("utf-8"), re.MULTILINE)
    assert paths.pop(0) == "path"  # the head of the table
    assert len(paths) == 6
    dataset = make_dataset("someone/films", {COMMIT: {"train/a.jsonl": FILMS, "films.py": b"x"}}, {"main": COMMIT})
    with serve_dataset(dataset) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        found = {}
        for path in paths:
            one = SourceParams.model_validate(
                {
                    **entry(),
                    "path": path.replace("https://example.org", web.url),
                    "sha256": sha256(CHAT) if path.startswith("https") else None,
                }
            )
            found[path] = [file.path.read_bytes() for file in locate_files(one, project, tmp_path / "cache")]
    assert list(found.values()) == [[REVIEWS], [DIALOGUES], [CHAT], [CHAT], [FILMS], [FILMS]]


def test_the_last_commands_of_the_page_run_too(walkthrough, s3, web):
    project, _, given = walkthrough
    text = "\n".join(commands(DOCS[0])[len(script(DOCS[0])) :]).replace("https://example.org", web.url)
    answer = "우산은 비를 막습니다. 햇볕도 가립니다."
    rows = [
        {"instruction": f"{number}번 우산의 쓰임을 설명하세요.", "input": "", "output": answer} for number in range(20)
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (project / "data" / "questions.jsonl").write_text(lines, encoding="utf-8")
    assert sha256(CHAT) in done(project, text, {**given, "AWS_ENDPOINT_URL": s3[0]})


def test_an_object_of_s3_is_fetched_again_when_it_changes_and_errors_have_messages(s3, monkeypatch, tmp_path):
    from seodang.errors import SourceError

    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3[0]}.items():
        monkeypatch.setenv(name, value)

    def read(path: str) -> list[tuple[str, bytes]]:
        return [
            (file.location, file.path.read_bytes())
            for file in locate_files(
                SourceParams.model_validate({**entry(), "path": path}), tmp_path, tmp_path / "cache"
            )
        ]

    put = s3[1].put_object
    put(Bucket="my-bucket", Key="other/b.jsonl", Body=FILMS)
    assert (
        read("s3://my-bucket/other/b.jsonl")
        == read("s3://my-bucket/other")
        == read("s3://my-bucket/other/*")
        == [("s3://my-bucket/other/b.jsonl", FILMS)]
    )
    assert len(list((tmp_path / "cache" / "remote").iterdir())) == 1
    put(Bucket="my-bucket", Key="other/b.jsonl", Body=REVIEWS)
    assert read("s3://my-bucket/other/b.jsonl") == [("s3://my-bucket/other/b.jsonl", REVIEWS)]
    for path, message in [
        ("s3://my-bucket/no.jsonl", "does not exist"),
        ("s3://my-bucket/*.tsv", "matches no data file"),
        ("s3://no-bucket/*.csv", "matches no data file"),
        ("s3://no-bucket/a.csv", "does not exist"),
    ]:
        with pytest.raises(SourceError, match=message):
            read(path)
