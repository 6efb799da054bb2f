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
from seodang.io.atomic import flush_folder, sweep
from seodang.io.disk_full import full_disk_told
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
    when: str
    """UTC, of the move."""
    who: str
    why: str


def read_champion(path: Path) -> Champion | None:
    """Return the version that is live, or None before the first promotion.

    Raises:
        ArtefactError: If the file is missing or damaged. To go on without it would be to judge without a champion.
    """
    back = "restore it: git checkout -- registry"
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        found = content["champion"]
        return None if found is None else Champion.model_validate(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = (
            "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)
            )
            if isinstance(error, ValidationError)
            else repr(error)
        )
        raise ArtefactError(
            f"{path} does not say which version is champion ({told}); {back} / 챔피언 기록을 읽을 수 없습니다"
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
    from seodang.models.adapters import trained_sha256

    return _fetched(champion, paths, paths.adapter, champion.adapter_sha256, trained_sha256)


def fetch_packaged(champion: Champion, paths: Paths) -> Path:
    """Return a folder with the champion as it is served: merged weights, tokenizer, and its card.

    Raises:
        ModelError: If neither cache nor remote has it, or what they have is something else.
    """
    from seodang.models.checkpoints import weights_sha256

    return _fetched(champion, paths, paths.merged, champion.weights_sha256, weights_sha256)


def _fetched(
    champion: Champion, paths: Paths, source: Path, sha256: str, sha256_of_folder: Callable[[Path], str]
) -> Path:
    """Return the folder of that checksum; fetched beside its place and checked before it gets there."""
    folder = paths.champions / sha256
    if folder.is_dir() and sha256_of_folder(folder) == sha256:
        return folder
    name = source.relative_to(paths.root).as_posix()
    beside = folder.with_name(f".{folder.name}.part")
    sweep(folder)
    for left in (folder, beside):
        shutil.rmtree(left, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with full_disk_told(f"{name} of {champion.version} was fetched into {folder}"):
            _get(champion, paths.root, name, beside)
        if (found := sha256_of_folder(beside)) != sha256:
            raise ModelError(
                f"{name} of {champion.version} at {champion.revision[:12]} has sha256 {found}, but registry/champion.json says {sha256}; "
                "one of the two was changed by hand: git log registry dvc.lock / 가중치가 기록과 다릅니다"
            )
        flush_folder(beside)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _get(champion: Champion, root: Path, name: str, target: Path) -> None:
    """Take a folder out of DVC's cache, or else its remote, at the champion's revision; the workspace stays as it is."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError

    try:
        with Repo(str(root)) as here:  # `dvc get` asks the remote alone, even for what lies in the cache
            remotes = {"core": dict(here.config["core"]), "remote": dict(here.config["remote"])}
        with Repo(str(root), rev=champion.revision, config=remotes) as then:
            DVCFileSystem(repo=then).get(f"/{name}", str(target), recursive=True)
    except (OSError, DvcException, DataIndexDirError, SCMError) as error:
        raise ModelError(
            f"{name} of {champion.version} (revision {champion.revision[:12]}) is in no DVC cache and no remote here: {error}\n"
            f"Where it was made, run: dvc push; here: git fetch --tags && dvc fetch --rev {champion.tag} (dvc remote list shows where from) / 챔피언의 가중치를 가져올 수 없습니다"
        ) from error
