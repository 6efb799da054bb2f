"""Use BentoML's stores. Only this module and the service import BentoML.

Both stores are in BENTOML_HOME (default: ~/bentoml). BentoML reads the variable at
its first use.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import yaml

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.atomic import compute_sha256, write_atomically
from seodang.packaging.store_writing import write_version

if TYPE_CHECKING:
    import bentoml

MODEL_CARD: Final = "README.md"  # beside the weights, as a hub expects it
NOTICE: Final = "NOTICE"  # notices that licences require beside the weights
_BUILD_FILE = "bentofile.yaml"


def store_model(folder: Path, name: str, version: str, labels: dict[str, str], *metadata_files: str) -> str:
    """Copy a model folder into BentoML's model store and return its exact tag.

    A stored model of the same tag and content is kept, and only its metadata files are updated. A later run can produce
    the same weights with a newer lineage. A stored model with other content is damaged and is replaced.

    Args:
        folder: Folder of the model, with its metadata files.
        name: Name of the model in the store.
        version: Version, derived from the content.
        labels: Labels that `bentoml models list` shows.
        metadata_files: Names of files that describe the content and do not count as content.

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
    from bentoml._internal.models.model import ModelStore

    with (
        write_version(get_store_folder(), "models", name, version) as store,
        bentoml.models.create(tag, labels=labels, _model_store=ModelStore(store)) as model,
    ):
        # BentoML collects a model in the system's temporary folder and copies it from there; links save one copy.
        shutil.copytree(folder.resolve(), model.path, dirs_exist_ok=True, copy_function=os.symlink)
    return str(model.tag)


def find_stored_model(tag: str) -> Path | None:
    """Return the folder of a model in the store; None if the store has no such model."""
    _disable_tracking()
    import bentoml

    stored = _find_stored(bentoml.models, tag)
    return None if stored is None else Path(stored.path)


def get_alias_tag(alias: str) -> tuple[str | None, str | None]:
    """Return the tag that bentofile.yaml gives an alias, NAME:latest, and the exact tag of that model in the store.

    Returns:
        Both tags; None for an alias that BentoML does not know now, and for a model that the store lacks.
    """
    _disable_tracking()
    import bentoml
    from bentoml._internal.configuration.containers import BentoMLContainer

    tag: str | None = BentoMLContainer.model_aliases.get().get(alias)
    stored = None if tag is None else _find_stored(bentoml.models, tag)
    return tag, None if stored is None else str(stored.tag)


def delete_model(tag: str) -> None:
    """Delete a model from the store, if it is there."""
    _disable_tracking()
    import bentoml

    _delete(bentoml.models, tag)


def has_bento(tag: str) -> bool:
    """Return whether the store has a bento."""
    _disable_tracking()
    import bentoml

    return _find_stored(bentoml.bentos, tag) is not None


def has_present_code(tag: str, project: Path) -> bool:
    """Return whether the service's code in a stored bento is that of a project.

    Args:
        tag: Of a bento in the store.
        project: Folder with src/seodang.
    """
    _disable_tracking()
    import bentoml

    code = Path(bentoml.bentos.get(tag).path) / "src" / "seodang"
    files = [file.relative_to(code) for file in code.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    present = project / "src" / "seodang"
    return all((present / name).is_file() and filecmp.cmp(code / name, present / name, shallow=False) for name in files)


def get_store_folder() -> Path:
    """Return the folder of BentoML's stores; it may not exist yet."""
    return Path(os.path.expandvars(os.environ.get("BENTOML_HOME", "~/bentoml"))).expanduser()


def build_bento(project: Path, name: str, version: str, model_tag: str) -> str:
    """Build the bento that serves exactly `model_tag`, and return its tag.

    A bento of the same tag is replaced as soon as the new one is complete: the weights are the same, but the service's
    code may have changed.

    Args:
        project: Folder with bentofile.yaml; the alias in it names the model with the exact tag.
        name: Name of the bento.
        version: Version of the model.
        model_tag: Tag that `store_model` returned.

    """
    _disable_tracking()
    import bentoml

    settings = _load_build_settings(project)
    models = [{**entry, "tag": model_tag} for entry in settings.pop("models")]
    settings["description"] = _read_card(model_tag)
    from bentoml._internal.bento.bento import BentoStore

    options = {**settings, "name": name, "version": version, "models": models, "build_ctx": str(project)}
    with write_version(get_store_folder(), "bentos", name, version) as store:
        bento = bentoml.bentos.build(**options, _bento_store=BentoStore(store))
    return str(bento.tag)


def _disable_tracking() -> None:
    """Disable BentoML's usage reports; the variable must be set before the import."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"


def _load_build_settings(project: Path) -> dict[str, Any]:
    path = project / _BUILD_FILE
    try:
        settings: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        settings["python"] = _list_requirements(settings.get("python") or {}, project)
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(
            _(
                "{file} cannot be read: {error}; restore it: git checkout {name}",
                file=path,
                error=error,
                name=_BUILD_FILE,
            )
        ) from error
    if len(settings.get("models") or ()) != 1:
        raise ModelError(
            _(
                "{file} must name one model, with the alias that the service uses; restore it: git checkout {name}",
                file=path,
                name=_BUILD_FILE,
            )
        )
    return settings


def _list_requirements(python: Mapping[str, Any], project: Path) -> dict[str, Any]:
    """Return the Python options with the lines of requirements_txt in place of its name.

    BentoML reads no file below a hidden folder, such as the worktree of a flow run in .seodang.
    """
    options = dict(python)
    if name := options.pop("requirements_txt", None):
        lines = (project / name).read_text("utf-8").splitlines()
        options["packages"] = [line for line in lines if line.strip() and not line.startswith("#")]
    return options


def _read_card(model_tag: str) -> str:
    """Return the card of a stored model, which becomes the README.md of its bento."""
    folder = find_stored_model(model_tag)
    card = None if folder is None else folder / MODEL_CARD
    return card.read_text("utf-8") if card is not None and card.exists() else f"# {model_tag}\n"


def _find_stored(store: ModuleType, tag: str) -> bentoml.Model | bentoml.Bento | None:
    from bentoml.exceptions import BentoMLException

    try:
        return store.get(tag)
    except BentoMLException:  # missing, or without its model.yaml
        return None


def _delete(store: ModuleType, tag: str) -> None:
    from bentoml.exceptions import NotFound

    with contextlib.suppress(NotFound):
        store.delete(tag)


def _hash_files(folder: Path, exclude: set[str]) -> dict[str, str]:
    """Return the path and sha256 of each file whose name is not excluded."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in exclude]
    return {path.relative_to(folder).as_posix(): compute_sha256(path) for path in files}
