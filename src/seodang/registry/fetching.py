"""Fetch what belongs to a champion from DVC's cache or remote: its weights, and the run that it was promoted with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from seodang.errors import ArtifactError, ModelError
from seodang.evaluation.aggregate import ALIGNED_VARIANT, TUNED_VARIANT
from seodang.evaluation.exam import PromotedRun, read_promoted_run
from seodang.i18n import _
from seodang.io.atomic import compute_sha256, flush_folder, remove_stale_parts
from seodang.io.disk_full import translate_disk_full
from seodang.io.jsonl import read_json, read_rows, write_json
from seodang.paths import Paths
from seodang.registry.champion import Champion

_CHECKSUMS = "checksums.json"
_SPLITS = ("train", "validation", "test", "unseen")


def fetch_packaged_model(champion: Champion, paths: Paths) -> Path:
    """Return a folder with the champion's packaged model: merged weights, tokenizer and manifest.

    The folder comes from DVC's cache or remote at the champion's revision. It is fetched once; its name is the checksum
    of its weights. The download goes into a staging folder, is checked there, and then moved.

    Raises:
        ModelError: If neither cache nor remote has the folder, or its checksum differs.
    """
    from seodang.models.checkpoints import compute_weights_sha256

    folder = paths.champions / champion.weights_sha256
    if folder.is_dir() and compute_weights_sha256(folder) == champion.weights_sha256:
        return folder
    name = paths.merged_model.relative_to(paths.root).as_posix()
    staging = folder.with_name(f".{folder.name}.part")
    remove_stale_parts(folder)
    for stale in (folder, staging):
        shutil.rmtree(stale, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        activity = _(
            "{name} of {version} was fetched into {folder}", name=name, version=champion.version, folder=folder
        )
        with translate_disk_full(activity):
            _download(champion, paths.root, {name: staging})
        _check_weights(champion, name, compute_weights_sha256(staging))
        flush_folder(staging)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def fetch_earlier_champion(champion: Champion, paths: Paths) -> Path:
    """Return the folder of an earlier champion that candidates are compared with.

    Raises:
        ModelError: As `fetch_packaged_model` does; the message says how to go on without lost weights.
    """
    try:
        return fetch_packaged_model(champion, paths)
    except ModelError as error:
        raise ModelError(
            _(
                "{error}\n{version} is an earlier champion that candidates are compared with. If its weights are lost, "
                "remove it from `best` in {file}",
                error=error,
                version=champion.version,
                file=paths.champion.relative_to(paths.root),
            )
        ) from error


def fetch_promoted_run(champion: Champion, paths: Paths) -> PromotedRun:
    """Return the records and scores of the run that made the champion.

    They come from DVC's cache or remote at the champion's revision. They are fetched once, and again where a file is
    damaged or edited.

    Raises:
        ModelError: If neither cache nor remote has them.
    """
    folder = paths.champions / f"{champion.revision}.run"
    names = {
        **{name: paths.get_split_path(name) for name in _SPLITS},
        "items": paths.items,
        "scores": paths.scores,
        "report": paths.evaluate_report,
    }
    if not _is_intact(folder, names.values()):
        shutil.rmtree(folder, ignore_errors=True)
        _fetch_files(champion, paths, names, folder)
    evaluation = read_json(folder / names.pop("report").name)
    rows = {name: read_rows(folder / file.name) for name, file in names.items()}
    is_aligned = evaluation.get("aligned_sha256") == champion.adapter_sha256
    return read_promoted_run(
        {name: rows[name] for name in _SPLITS},
        rows["items"],
        rows["scores"],
        ALIGNED_VARIANT if is_aligned else TUNED_VARIANT,
    )


def _fetch_files(champion: Champion, paths: Paths, names: dict[str, Path], folder: Path) -> None:
    """Download the files into a staging folder, and move it when it is complete."""
    staging = folder.with_name(f".{folder.name}.part")
    remove_stale_parts(folder)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        targets = {file.relative_to(paths.root).as_posix(): staging / file.name for file in names.values()}
        _download(champion, paths.root, targets)
        write_json(staging / _CHECKSUMS, {file.name: compute_sha256(file) for file in targets.values()})
        flush_folder(staging)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_intact(folder: Path, files: Iterable[Path]) -> bool:
    """Return whether a folder has the files as they were fetched."""
    try:
        checksums = read_json(folder / _CHECKSUMS)
        return all(compute_sha256(folder / file.name) == checksums[file.name] for file in files)
    except (ArtifactError, OSError, KeyError):
        return False


def _check_weights(champion: Champion, name: str, digest: str) -> None:
    if digest != champion.weights_sha256:
        raise ModelError(
            _(
                "{name} of {version} at {revision} has sha256 {actual}, but registry/champion.json has {expected}; one"
                " of the two was edited by hand, see: git log registry dvc.lock",
                name=name,
                version=champion.version,
                revision=champion.revision[:12],
                actual=digest,
                expected=champion.weights_sha256,
            )
        )


def _download(champion: Champion, root: Path, targets: Mapping[str, Path]) -> None:
    """Copy files and folders from DVC's cache or remote at the champion's revision; the workspace does not change.

    Args:
        champion: Champion.
        root: Of the project.
        targets: New path of each file or folder, by its path in the project.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError

    try:
        with Repo(str(root)) as current_repo:  # `dvc get` would use the remote only, never the cache
            remotes = {"core": dict(current_repo.config["core"]), "remote": dict(current_repo.config["remote"])}
        with Repo(str(root), rev=champion.revision, config=remotes) as revision_repo:
            for name, target in targets.items():
                DVCFileSystem(repo=revision_repo).get(f"/{name}", str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError, SCMError) as error:
        raise ModelError(
            _(
                "{name} of {version} (revision {revision}) is in no DVC cache and no remote of this machine: {error}\n"
                "On the machine that trained it, run: dvc push. On this machine, run: git fetch --tags && dvc fetch --rev"
                " {tag} (dvc remote list shows the remotes)",
                name=" ".join(targets),
                version=champion.version,
                revision=champion.revision[:12],
                error=error,
                tag=champion.tag,
            )
        ) from error
