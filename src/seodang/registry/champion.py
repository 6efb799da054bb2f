"""The champion: which version is live, on what it was judged, and how to get its weights back.

registry/champion.json is small and lies in git. Stages that compare with the champion declare it as a dependency, so
that a verdict is about the champion that the same commit names.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seodang.config.section import Sha256
from seodang.errors import ArtefactError, ModelError
from seodang.io.atomic import flush_folder, remove_stale_parts
from seodang.io.disk_full import translate_disk_full
from seodang.io.jsonl import write_json
from seodang.paths import Paths

Version = Annotated[str, Field(pattern=r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


class Champion(BaseModel):
    """One version of the model as the registry knows it, and the move that made it champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Version
    tag: str
    """Of git; it annotates the revision."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit whose dvc.lock holds the weights."""
    adapter_sha256: Sha256
    """Of what training wrote: the adapter, or all weights."""
    weights_sha256: Sha256
    """Of what is served: base and adapter merged."""
    base_sha256: Sha256 | None
    """Of the base that the adapter belongs to."""
    model_tag: str
    bento_tag: str
    prompt_format: str
    prompt_fingerprint: Sha256
    items_fingerprint: str
    """Of the items that the scores are about."""
    scores: dict[str, float | None]
    """The tuned model's means over those items."""
    verdict: str
    verdict_sha256: Sha256
    """Of the verdict, without its schema, as sorted JSON."""
    created_at: str
    """UTC, of the move."""
    author: str
    message: str


def read_champion(path: Path) -> Champion | None:
    """Return the version that is live, or None before the first promotion.

    Raises:
        ArtefactError: If the file is missing or damaged. To go on without it would be to judge without a champion.
    """
    remedy = "restore it: git checkout -- registry"
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        fields = content["champion"]
        return None if fields is None else Champion.model_validate(fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        details = (
            "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)
            )
            if isinstance(error, ValidationError)
            else repr(error)
        )
        raise ArtefactError(
            f"{path} does not say which version is champion ({details}); {remedy} / 챔피언 기록을 읽을 수 없습니다"
        ) from error


def write_champion(path: Path, champion: Champion | None) -> None:
    """Write which version is live."""
    write_json(path, {"champion": champion.model_dump() if champion else None})


def fetch_champion(champion: Champion, paths: Paths) -> Path:
    """Return a folder with what the champion's training wrote: its adapter, or all its weights.

    It is taken from DVC's cache or remote at the champion's revision, once, and kept by its checksum.

    Raises:
        ModelError: If neither cache nor remote has it, or what they have is something else.
    """
    from seodang.models.adapters import compute_tuned_sha256

    return _fetch_folder(champion, paths, paths.adapter, champion.adapter_sha256, compute_tuned_sha256)


def fetch_packaged_model(champion: Champion, paths: Paths) -> Path:
    """Return a folder with the champion as it is served: merged weights, tokenizer, and its card.

    Raises:
        ModelError: If neither cache nor remote has it, or what they have is something else.
    """
    from seodang.models.checkpoints import compute_weights_sha256

    return _fetch_folder(champion, paths, paths.merged_model, champion.weights_sha256, compute_weights_sha256)


def _fetch_folder(
    champion: Champion, paths: Paths, source: Path, sha256: str, sha256_of_folder: Callable[[Path], str]
) -> Path:
    """Return the folder of that checksum; fetched beside its place and checked before it gets there."""
    folder = paths.champions / sha256
    if folder.is_dir() and sha256_of_folder(folder) == sha256:
        return folder
    name = source.relative_to(paths.root).as_posix()
    staging = folder.with_name(f".{folder.name}.part")
    remove_stale_parts(folder)
    for stale in (folder, staging):
        shutil.rmtree(stale, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with translate_disk_full(f"{name} of {champion.version} was fetched into {folder}"):
            _download_folder(champion, paths.root, name, staging)
        if (digest := sha256_of_folder(staging)) != sha256:
            raise ModelError(
                f"{name} of {champion.version} at {champion.revision[:12]} has sha256 {digest}, but registry/champion.json says {sha256}; "
                "one of the two was changed by hand: git log registry dvc.lock / 가중치가 기록과 다릅니다"
            )
        flush_folder(staging)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _download_folder(champion: Champion, root: Path, name: str, target: Path) -> None:
    """Take a folder out of DVC's cache, or else its remote, at the champion's revision; the workspace stays as it is."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError

    try:
        with Repo(str(root)) as current_repo:  # `dvc get` asks the remote alone, even for what lies in the cache
            remotes = {"core": dict(current_repo.config["core"]), "remote": dict(current_repo.config["remote"])}
        with Repo(str(root), rev=champion.revision, config=remotes) as revision_repo:
            DVCFileSystem(repo=revision_repo).get(f"/{name}", str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError, SCMError) as error:
        raise ModelError(
            f"{name} of {champion.version} (revision {champion.revision[:12]}) is in no DVC cache and no remote here: {error}\n"
            f"Where it was made, run: dvc push; here: git fetch --tags && dvc fetch --rev {champion.tag} (dvc remote list shows where from) / 챔피언의 가중치를 가져올 수 없습니다"
        ) from error
