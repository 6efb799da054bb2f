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
    report = {
        "model_tag": f"seodang-primer:{compute_content_version(paths.merged_model, manifest.fingerprint)}",
        "weights_sha256": compute_weights_sha256(paths.merged_model),
        "lineage": {"params": {"prompt": {"format": "koalpaca"}}},
    }
    write_json(paths.package_report, report)
    return paths


def build_archive(paths: Paths, archive: Path) -> str:
    """Build and export a bento by BentoML's commands alone, and return its tag."""
    home = archive.parent / "builder"
    environment = {**os.environ, "BENTOML_HOME": str(home), "PYTHONPATH": str(paths.root / "src")}
    bentoml = [sys.executable, "-m", "bentoml"]
    output = run([*bentoml, "build", "-o", "tag"], paths.root, environment)
    tag = output.rpartition("__tag__:")[2].strip()
    run([*bentoml, "export", tag, str(archive)], paths.root, environment)
    shutil.rmtree(home)
    return tag


def make_environment(archive: Path, folder: Path) -> Path:
    """Make a fresh environment of the requirements in the archive, and return its folder of programs."""
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
    return python.parent


def build_bare_environment(folder: Path, checkout: Path) -> dict[str, str]:
    """Return the variables of a machine that knows no checkout, no cache and no network."""
    return {
        "PATH": f"{folder / 'venv' / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MOVED_BENTO_LOG": str(folder / "watch.log"),
        "MOVED_BENTO_CHECKOUT": str(checkout),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED),
        "no_proxy": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def moved(packaged_model, tmp_path_factory, copy_project, find_free_port, run_server) -> Iterator[MovedBento]:
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "home").mkdir()
    checkout = make_checkout(tmp_path_factory.mktemp("checkout") / "project", packaged_model, copy_project)
    archive = folder / "archive" / "moved.bento"
    archive.parent.mkdir()
    tag = build_archive(checkout, archive)
    shutil.rmtree(checkout.root)
    programs = make_environment(archive, folder)
    environment = build_bare_environment(folder, ROOT)
    run([str(programs / "bentoml"), "import", str(archive)], folder, environment)
    archive.unlink()
    port = find_free_port()
    command = [str(programs / "bentoml"), "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
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
        (f"open({str(ROOT / 'LICENSE')!r})", f"opened {ROOT / 'LICENSE'}"),
        ("import socket; socket.create_connection(('192.0.2.1', 9), 0.01)", "connected to 192.0.2.1"),
        ("import socket; socket.getaddrinfo('host.invalid', 9)", "looked up host.invalid"),
    ],
)
def test_the_watch_of_its_environment_sees_the_checkout_and_the_network(moved, tmp_path, statement, line):
    log = tmp_path / "watch.log"
    environment = {**build_bare_environment(moved.folder, ROOT), "MOVED_BENTO_LOG": str(log)}
    python = moved.folder / "venv" / "bin" / "python"
    subprocess.run([python, "-c", statement], env=environment, capture_output=True, check=False, timeout=60)
    assert line in log.read_text("utf-8").splitlines()


def test_it_opens_no_file_of_the_checkout_and_no_connection(moved):
    moved.post("/generate", {"instruction": KOREAN[0], "input": KOREAN[1]})
    lines = moved.watch_log.read_text("utf-8").splitlines()
    watched = {line.removeprefix("watching ") for line in lines if line.startswith("watching ")}
    assert watched
    assert [line for line in lines if not line.startswith("watching ")] == []
    for process in filter(Path.exists, (Path("/proc") / pid for pid in watched)):
        assert str(ROOT) not in (process / "maps").read_text("utf-8")
        assert str(ROOT) not in str((process / "cwd").readlink())


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
