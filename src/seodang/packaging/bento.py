"""BentoML's stores: the one place, besides the service, that knows BentoML.

Both stores lie in BENTOML_HOME (default: ~/bentoml), which BentoML reads when it is
first used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import yaml

from seodang.errors import ModelError
from seodang.io.atomic import sha256_of, write_atomically

if TYPE_CHECKING:
    import bentoml

_BUILD_FILE = "bentofile.yaml"


def store_model(folder: Path, name: str, version: str, labels: dict[str, str], *metadata_files: str) -> str:
    """Put a model folder into BentoML's model store and return its exact tag.

    A stored model of the same tag and content is kept; only its cards are brought up
    to date, since the same weights can be reached again with a newer account. One
    whose content differs was left behind by a killed run: it is stored anew.

    Args:
        folder: With its cards in it.
        name: Of the model in the store.
        version: Derived from the content.
        labels: For `bentoml models list`.
        accounts: Names of the files that account for the content and are no part of it.

    """
    _disable_tracking()
    import bentoml

    tag = f"{name}:{version}"
    stored = _find_stored(bentoml.models, tag)
    if stored is not None and _hash_files(Path(stored.path), {*metadata_files, "model.yaml"}) == _hash_files(
        folder, {*metadata_files}
    ):
        for metadata_file in (name for name in metadata_files if (folder / name).exists()):
            write_atomically(Path(stored.path) / metadata_file, [(folder / metadata_file).read_text("utf-8")])
        return str(stored.tag)
    _delete(bentoml.models, tag)
    with bentoml.models.create(tag, labels=labels) as model:
        # BentoML gathers a model in the system's temporary folder and copies it from there: links spare that folder a copy.
        shutil.copytree(folder.resolve(), model.path, dirs_exist_ok=True, copy_function=os.symlink)
    return str(model.tag)


def find_stored_model(tag: str) -> Path | None:
    """Return the folder of a model in the store, or None."""
    _disable_tracking()
    import bentoml

    stored = _find_stored(bentoml.models, tag)
    return None if stored is None else Path(stored.path)


def has_bento(tag: str) -> bool:
    """Return whether a bento is in the store."""
    _disable_tracking()
    import bentoml

    return _find_stored(bentoml.bentos, tag) is not None


def get_store_folder() -> Path:
    """Return where BentoML keeps its stores; it need not exist yet."""
    return Path(os.path.expandvars(os.environ.get("BENTOML_HOME", "~/bentoml"))).expanduser()


def build_bento(project: Path, name: str, version: str, model_tag: str) -> str:
    """Build the bento that serves exactly `model_tag`, and return its tag.

    A bento of the same tag is replaced: the weights are the same, but the service's
    code may have changed.

    Args:
        project: Folder with bentofile.yaml, whose model gets the exact tag under the alias it has there.
        name: Of the bento.
        version: The model's.
        model_tag: As `store_model` returned it.

    """
    _disable_tracking()
    import bentoml

    settings = _load_build_settings(project)
    models = [{**entry, "tag": model_tag} for entry in settings.pop("models")]
    _delete(bentoml.bentos, f"{name}:{version}")
    bento = bentoml.bentos.build(**settings, name=name, version=version, models=models, build_ctx=str(project))
    return str(bento.tag)


def _disable_tracking() -> None:
    """BentoML reports each use to its makers, unless told not to before it is imported."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"


def _load_build_settings(project: Path) -> dict[str, Any]:
    path = project / _BUILD_FILE
    try:
        settings: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {error}; restore it: git checkout {_BUILD_FILE}") from error
    if len(settings.get("models") or ()) != 1:
        raise ModelError(
            f"{path} must name one model, with the alias that the service asks for; restore it: git checkout {_BUILD_FILE}"
        )
    return settings


def _find_stored(store: ModuleType, tag: str) -> bentoml.Model | bentoml.Bento | None:
    from bentoml.exceptions import BentoMLException

    try:
        return store.get(tag)
    except BentoMLException:  # not there, or without its model.yaml
        return None


def _delete(store: ModuleType, tag: str) -> None:
    from bentoml.exceptions import NotFound

    with contextlib.suppress(NotFound):
        store.delete(tag)


def _hash_files(folder: Path, exclude: set[str]) -> dict[str, str]:
    """Return path and sha256 of each file, without those named."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in exclude]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
