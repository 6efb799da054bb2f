"""A bento is built in a checkout and served elsewhere: another folder, a fresh environment, no network, no checkout.

Run: pytest -m slow tests/service/test_moved_bento.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.constants import KOREAN, ROOT

from seodang.io.jsonl import write_json
from seodang.models.checkpoints import compute_weights_sha256
from seodang.packaging.bento import MODEL_CARD
from seodang.packaging.checksums import write_checksums
from seodang.packaging.model_folder import Manifest, compute_content_version, read_manifest, write_manifest
from seodang.paths import Paths

pytestmark = pytest.mark.slow

LICENCE = "CC-BY-NC-4.0"
TERMS = {"non_commercial": [LICENCE], "share_alike": [], "unknown": [], "use_en": "non-commercial use only"}
CARD = f"# tiny\n\nNon-commercial use only: {LICENCE}\n"
CLOSED = "http://127.0.0.1:9"  # nobody listens at the port "discard"


@dataclass(frozen=True)
class MovedBento:
    """A running service and the folder in which it is alone."""

    url: str
    tag: str
    folder: Path
    watch_log: Path

    @property
    def bento(self) -> Path:
        return self.folder / "bentoml" / "bentos" / self.tag.replace(":", "/")

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, content: Any) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout[-2000:]}{result.stderr[-2000:]}"
    return result.stdout


def make_checkout(folder: Path, packaged_model: Path, copy_project: Callable[[Path], Path]) -> Paths:
    """Return a checkout as `git clone` and `dvc pull` leave it, with a model of non-commercial data."""
    paths = Paths(copy_project(folder))
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, paths.root)
    shutil.copytree(packaged_model, paths.merged_model)
    manifest = read_manifest(paths.merged_model)
    lineage = {
        **manifest.lineage,
        "terms": TERMS,
        "sources": [{"name": "서당 primer", "licence": LICENCE, "files": []}],
    }
    write_manifest(paths.merged_model, Manifest(**{**dict(manifest), "lineage": lineage}))
    (paths.merged_model / MODEL_CARD).write_text(CARD, "utf-8")
    write_checksums(paths.merged_model)
    report = {
        "model_tag": f"seodang-primer:{compute_content_version(paths.merged_model, manifest.fingerprint)}",
        "weights_sha256": compute_weights_sha256(paths.merged_model),
        "lineage": {"params": {"prompt": {"format": "koalpaca"}}},
    }
    write_json(paths.package_report, report)
    return paths


def build_archive(paths: Paths, archive: Path) -> None:
    """Build and export a bento by BentoML's commands alone."""
    home = archive.parent / "builder"
    environment = {**os.environ, "BENTOML_HOME": str(home), "PYTHONPATH": str(paths.root / "src")}
    bentoml = [sys.executable, "-m", "bentoml"]
    output = run([*bentoml, "build", "-o", "tag"], paths.root, environment)
    tag = output.rpartition("__tag__:")[2].strip()
    run([*bentoml, "export", tag, str(archive)], paths.root, environment)
    shutil.rmtree(home)


def make_environment(archive: Path, folder: Path) -> None:
    """Make a fresh environment of the requirements in the archive."""
    with tarfile.open(archive) as content:
        (name,) = [name for name in content.getnames() if name.endswith("env/python/requirements.txt")]
        member = content.extractfile(name)
        assert member is not None
        requirements = folder / "requirements.txt"
        requirements.write_bytes(member.read())
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    find_links = ["--find-links", os.environ["PIP_FIND_LINKS"]] if "PIP_FIND_LINKS" in os.environ else []
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *find_links]
    run([*install, "-r", str(requirements)], folder, os.environ)  # resolved, as `bentoml containerize` does
    packages = next((folder / "venv").glob("lib/python*/site-packages"))
    shutil.copy(Path(__file__).parent / "moved_bento_hook.py", packages / "sitecustomize.py")


def build_bare_environment(folder: Path, home: Path) -> dict[str, str]:
    """Return the variables of a machine that knows no checkout, no cache and no network.

    Args:
        folder: With the environment of the bento.
        home: Folder of BentoML, the only one that is writable.
    """
    return {
        "PATH": f"{folder / 'venv' / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENTOML_HOME": str(home),
        "TMPDIR": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "MOVED_BENTO_LOG": str(folder / "watch.log"),
        "MOVED_BENTO_CHECKOUT": str(ROOT),
        "MOVED_BENTO_WRITABLE": str(home),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED),
        "no_proxy": "127.0.0.1",
    }


def list_violations(log: Path) -> tuple[set[str], list[str]]:
    """Return the watched processes, and the lines about what they must not use."""
    lines = log.read_text("utf-8").splitlines()
    watched = {line for line in lines if line.startswith("watching ")}
    return {line.partition(" ")[2] for line in watched}, sorted(set(lines) - watched)


@pytest.fixture(scope="module")
def archive(packaged_model, tmp_path_factory, copy_project) -> Path:
    """The exported bento, in a folder with a fresh environment; its checkout is deleted."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "home").mkdir()
    checkout = make_checkout(tmp_path_factory.mktemp("checkout") / "project", packaged_model, copy_project)
    archive = folder / "archive" / "moved.bento"
    archive.parent.mkdir()
    build_archive(checkout, archive)
    shutil.rmtree(checkout.root)
    make_environment(archive, folder)
    return archive


@pytest.fixture(scope="module")
def moved(archive, find_free_port, run_server) -> Iterator[MovedBento]:
    """The service of the bento after `bentoml import`."""
    folder = archive.parent.parent
    home = folder / "bentoml"
    home.mkdir()
    environment = build_bare_environment(folder, home)
    bentoml = str(folder / "venv" / "bin" / "bentoml")
    run([bentoml, "import", str(archive)], folder, {**environment, "MOVED_BENTO_LOG": str(folder / "import.log")})
    (path,) = (home / "bentos").glob("*/*/bento.yaml")
    tag = f"{path.parent.parent.name}:{path.parent.name}"
    port = find_free_port()
    command, url = [bentoml, "serve", tag, "--host", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}"
    with run_server(command, url, cwd=folder, environment=environment, log=folder / "serve.log"):
        yield MovedBento(url, tag, folder, folder / "watch.log")


def test_it_answers_as_the_packaged_model(moved):
    answer = moved.post("/generate", {"instruction": KOREAN[0], "input": KOREAN[1]})
    assert answer["output"] == KOREAN[2]
    message = {"role": "user", "content": KOREAN[0], "input": KOREAN[1]}
    answer = moved.post("/v1/chat/completions", {"messages": [message]})
    assert answer["choices"][0]["message"]["content"] == KOREAN[2]


def test_it_says_where_it_comes_from(moved):
    lineage = json.loads(moved.get("/lineage"))
    assert lineage["bento"] == moved.tag
    assert lineage["prompt"] == {"format": "koalpaca"}
    assert lineage["sources"][0]["licence"] == LICENCE


def test_every_view_of_the_model_shows_that_commercial_use_is_not_allowed(moved):
    assert json.loads(moved.get("/lineage"))["terms"] == TERMS
    (model,) = json.loads(moved.get("/v1/models"))["data"]
    assert model["terms"] == TERMS
    assert model["licences"] == [LICENCE]
    assert f"non-commercial use only: built from data or a model under {LICENCE}" in moved.get("/")


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("open('written', 'w')", "wrote {folder}/written"),
        (f"open({str(ROOT / 'LICENSE')!r})", f"opened {ROOT / 'LICENSE'}"),
        ("import socket; socket.create_connection(('192.0.2.1', 9), 0.01)", "connected to 192.0.2.1"),
        ("import socket; socket.getaddrinfo('host.invalid', 9)", "looked up host.invalid"),
    ],
)
def test_the_watch_of_its_environment_sees_the_checkout_and_the_network(moved, tmp_path, statement, line):
    log = tmp_path / "watch.log"
    environment = {**build_bare_environment(moved.folder, tmp_path / "home"), "MOVED_BENTO_LOG": str(log)}
    python = moved.folder / "venv" / "bin" / "python"
    (tmp_path / "cwd").mkdir()
    subprocess.run(
        [python, "-c", statement], cwd=tmp_path / "cwd", env=environment, capture_output=True, check=False, timeout=60
    )
    assert line.format(folder=tmp_path / "cwd") in log.read_text("utf-8").splitlines()


def test_it_opens_no_file_of_the_checkout_and_no_connection(moved):
    moved.post("/generate", {"instruction": KOREAN[0], "input": KOREAN[1]})
    watched, violations = list_violations(moved.watch_log)
    assert watched
    assert violations == []
    assert [line for line in list_violations(moved.folder / "import.log")[1] if not line.startswith("wrote")] == []
    for process in filter(Path.exists, (Path("/proc") / pid for pid in watched)):
        assert str(ROOT) not in (process / "maps").read_text("utf-8")
        assert str(ROOT) not in str((process / "cwd").readlink())


def test_a_container_of_it_may_have_a_read_only_root(archive, tmp_path, find_free_port, run_server, ask_in_korean):
    """The image serves the folder of the bento with the model in it; BENTOML_HOME is the only writable place."""
    folder, home = archive.parent.parent, tmp_path / "home"
    home.mkdir()
    with tarfile.open(archive) as content:
        content.extractall(tmp_path / "bento", filter="data")
    log = tmp_path / "watch.log"
    environment = {**build_bare_environment(folder, home), "MOVED_BENTO_LOG": str(log)}
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(folder / "venv" / "bin" / "bentoml"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    command.append(str(tmp_path / "bento"))
    with run_server(command, url, cwd=tmp_path, environment=environment, log=tmp_path / "serve.log"):
        assert ask_in_korean(url)["output"] == KOREAN[2]
    assert list_violations(log)[1] == []


def test_the_bento_has_card_licence_weights_and_nothing_else(moved):
    listed = yaml.safe_load((moved.bento / "bento.yaml").read_text("utf-8"))
    assert [model["alias"] for model in listed["models"]] == ["tuned"]
    assert (moved.bento / "README.md").read_text("utf-8") == CARD
    assert {path.name for path in (moved.bento / "src").iterdir()} == {"seodang", "LICENSE", "bentofile.yaml"}
    model = moved.folder / "bentoml" / "models" / listed["models"][0]["tag"].replace(":", "/")
    assert {"model.safetensors", "tokenizer.json", "seodang.json", MODEL_CARD} <= {
        path.name for path in model.iterdir()
    }


def test_its_requirements_have_no_package_of_the_pipeline(moved):
    names = {line.partition("==")[0] for line in (moved.folder / "requirements.txt").read_text("utf-8").splitlines()}
    assert (
        names & {"datasets", "dvc", "great-expectations", "gto", "pandas", "prefect", "pyarrow", "scikit-learn"}
        == set()
    )
