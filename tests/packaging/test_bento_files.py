"""The files of a bento: all that the service imports, and no room beside them. Run: pytest tests/packaging"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml
from tests.constants import ROOT

from seodang.errors import ArtifactError, ModelError
from seodang.io.jsonl import write_json
from seodang.models.checkpoints import compute_weights_sha256
from seodang.packaging.bento import find_stored_model
from seodang.packaging.packaged_folder import prepare_alias, store_packaged_model
from seodang.paths import Paths

SERVICE = "seodang.service.app"


@pytest.fixture(scope="module")
def patterns() -> Any:
    """What bentofile.yaml includes."""
    from bentoml._internal.bento.build_config import BentoPathSpec

    settings = yaml.safe_load((ROOT / "bentofile.yaml").read_text("utf-8"))
    return BentoPathSpec(settings["include"], settings["exclude"], str(ROOT))


@pytest.fixture(scope="module")
def files(patterns) -> set[str]:
    """The files of the source that a build copies."""
    paths = (path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*") if path.is_file())
    return {path for path in paths if patterns.includes(path)}


@pytest.fixture(scope="module")
def needed() -> set[str]:
    """The files of the modules that the service imports, at its start or later."""
    graph = grimp.build_graph("seodang", cache_dir=None)
    modules = {SERVICE} | graph.find_upstream_modules(SERVICE)
    stems = [ROOT / "src" / name.replace(".", "/") for name in modules]
    paths = [stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py") for stem in stems]
    return {path.relative_to(ROOT).as_posix() for path in paths}


def test_the_bento_has_every_module_that_the_service_imports(files, needed):
    assert needed - files == set()


def test_a_bento_in_a_store_inside_the_project_is_not_copied_into_the_next_one(files, patterns):
    names = ["LICENSE", *files]
    assert patterns.includes("LICENSE")
    assert not [name for name in names if patterns.includes(f"bento/bentos/primer/1/src/{name}")]


def test_the_bento_has_no_room_that_the_service_does_not_import(files, needed):
    def list_rooms(paths):
        return {path.split("/")[2] for path in paths if path.count("/") > 2}

    assert list_rooms(files) - list_rooms(needed) == {"locale"}
    assert {Path(path).suffix for path in files} <= {".py", ".mo", ".css", ".html", ".j2", ".js"}


@pytest.fixture
def checkout(tmp_path, packaged_model, bentoml_home, monkeypatch) -> Iterator[Paths]:
    """A checkout after `dvc pull`, with an empty store, in which bentofile.yaml says that `tuned` is the newest one."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    paths = Paths(tmp_path / "checkout")
    shutil.copytree(packaged_model, paths.merged_model)
    write_report(paths, "tiny:1")
    previous = BentoMLContainer.model_aliases.get()
    BentoMLContainer.model_aliases.set({"tuned": "tiny:latest"})
    yield paths
    BentoMLContainer.model_aliases.set(previous)


def write_report(paths: Paths, tag: str) -> None:
    report = {"weights_sha256": compute_weights_sha256(paths.merged_model), "model_tag": tag}
    write_json(paths.package_report, {**report, "lineage": {"params": {"prompt": {"format": "koalpaca"}}}})


def get_newest() -> str:
    import bentoml

    return str(bentoml.models.get("tiny:latest").tag)


def test_a_build_takes_the_model_of_the_checkout_and_not_a_newer_one_of_the_store(checkout):
    prepare_alias("tuned", checkout.root)
    assert get_newest() == "tiny:1"
    write_report(checkout, "tiny:2")
    store_packaged_model(checkout)
    write_report(checkout, "tiny:1")
    assert get_newest() == "tiny:2"
    prepare_alias("tuned", checkout.root)
    assert get_newest() == "tiny:1"


def test_a_built_bento_leaves_the_store_alone(checkout):
    from bentoml._internal.configuration.containers import BentoMLContainer

    BentoMLContainer.model_aliases.set({"tuned": "tiny:0123456789ab"})
    prepare_alias("tuned", checkout.root)
    assert find_stored_model("tiny:1") is None


def test_a_build_without_a_model_says_how_to_get_it(checkout):
    with pytest.raises(ArtifactError, match="dvc pull package"):
        prepare_alias("tuned", checkout.root / "empty")


def test_a_build_refuses_weights_that_changed_on_disk(checkout):
    weights = checkout.merged_model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match="dvc checkout package"):
        prepare_alias("tuned", checkout.root)
