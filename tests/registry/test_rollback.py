"""After a rollback a real server uses the old weights. Run: pytest -m slow tests/registry/test_rollback.py"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.constants import KOREAN, ROOT

from seodang.cli.main import main
from seodang.errors import ModelError
from seodang.models.checkpoints import compute_weights_sha256
from seodang.packaging.bento import find_stored_model, has_bento
from seodang.packaging.model_folder import compute_content_version, read_manifest
from seodang.paths import Paths
from seodang.registry.champion import read_champion
from seodang.registry.history import read_history
from seodang.registry.restore import make_servable

pytestmark = pytest.mark.slow


def read_model_fields(paths: Paths, name: str) -> dict[str, str]:
    folder = paths.root / "models" / name
    manifest = read_manifest(folder)
    return {
        "folder": f"models/{name}",
        "version": compute_content_version(folder, manifest.fingerprint),
        "fingerprint": manifest.fingerprint,
    }


@pytest.fixture(scope="module")
def promoted_twice(
    tmp_path_factory: pytest.TempPathFactory, copy_project, make_packaged_model, make_repository, run_pipeline
) -> Path:
    """Create a repository whose v0.1.0 answers KOREAN correctly, and whose champion v0.2.0 does not."""
    paths = make_repository(tmp_path_factory.mktemp("project") / "project")
    copy_project(paths.root)
    good = make_packaged_model(paths.root / "models" / "good")
    bad = Path(shutil.copytree(good, paths.root / "models" / "bad"))
    from safetensors.torch import load_file, save_file

    weights = load_file(bad / "model.safetensors")
    save_file(
        {name: weight * 0.5 for name, weight in weights.items()}, bad / "model.safetensors", metadata={"format": "pt"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(paths.root)
        for name in ("good", "bad"):
            run_pipeline(paths, name, **read_model_fields(paths, name))
            assert main(["registry", "promote", "--message", name]) == 0
        shutil.rmtree(paths.root / "models")
    return paths.root


@pytest.fixture
def paths(promoted_twice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bentoml_home: Path) -> Paths:
    """Copy the repository, with an empty BentoML store, so that each test starts from the same state."""
    root = Path(shutil.copytree(promoted_twice, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    return Paths(root)


@pytest.fixture(scope="module")
def serve(find_free_port, run_server):
    """Serve the champion with `seodang serve`, and yield the address."""

    @contextmanager
    def serve(paths: Paths) -> Iterator[str]:
        port = find_free_port()
        url, command = f"http://127.0.0.1:{port}", [sys.executable, "-m", "seodang", "serve", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        with run_server(command, url, cwd=paths.root, environment=environment, log=paths.root.parent / "serve.log"):
            yield url

    return serve


def test_after_a_rollback_the_service_answers_with_the_old_weights(paths, serve, ask_in_korean):
    good, bad = (event.bento_tag for event in read_history(paths.history))
    assert not has_bento(good)
    assert main(["registry", "rollback", "--message", "대답이 나빠짐"]) == 0
    folder = find_stored_model(good)
    assert folder is not None
    assert compute_weights_sha256(folder) == read_history(paths.history)[0].weights_sha256
    with serve(paths) as url:
        reply = ask_in_korean(url)
    assert (reply["output"], reply["model"]) == (KOREAN[2], good)
    assert reply["model"] != bad


def test_a_candidate_that_is_rejected_leaves_the_champion_in_service(paths, read_state, run_pipeline):
    run_pipeline(paths, "worse", accuracy=0.1, verdict="reject", folder="none", version="0", fingerprint="0" * 64)
    before = read_state(paths)
    assert main(["registry", "promote"]) == 3
    assert read_state(paths) == before
    champion = read_champion(paths.champion)
    assert champion is not None
    assert make_servable(champion, paths) == champion.bento_tag


def test_an_incomplete_model_in_the_store_is_replaced(paths):
    champion = read_champion(paths.champion)
    assert champion is not None
    make_servable(champion, paths)
    folder = find_stored_model(champion.model_tag)
    assert folder is not None
    (folder / "model.safetensors").write_bytes(b"half")
    assert make_servable(champion, paths) == champion.bento_tag
    assert compute_weights_sha256(folder) == champion.weights_sha256


def test_weights_with_other_prompts_than_the_record_are_not_served(paths):
    champion = read_history(paths.history)[1]
    folder = paths.champions / champion.weights_sha256
    shutil.rmtree(folder, ignore_errors=True)
    with pytest.raises(ModelError, match="prompt fingerprint"):
        make_servable(champion.model_copy(update={"prompt_fingerprint": "0" * 64}), paths)
    assert not has_bento(champion.bento_tag)


def test_a_rollback_to_weights_that_cannot_be_found_changes_nothing(paths, capsys, read_state):
    before = read_state(paths)
    shutil.rmtree(paths.root / ".dvc" / "cache")
    shutil.rmtree(paths.champions, ignore_errors=True)
    assert main(["registry", "rollback", "--message", "x"]) == 2
    assert "no DVC cache and no remote" in capsys.readouterr().err
    assert read_state(paths) == before
