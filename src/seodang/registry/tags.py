"""Versions and stages as git tags, by GTO: seodang@v0.2.0 registers, seodang#champion#3 assigns, seodang#champion!#4 takes back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import RegistryError
from seodang.registry.git import get_identity, run_git

NAME: Final = "seodang"  # as under `artifacts:` in dvc.yaml
CHAMPION: Final = "champion"
RETIRED: Final = "retired"
_VERSION: Final = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version that a tag registers."""

    version: str
    revision: str
    stages: tuple[str, ...]  # that it is in now


def format_tag(version: str) -> str:
    """Return the git tag that registers a version."""
    return f"{NAME}@{version}"


def list_versions(root: Path) -> list[RegisteredVersion]:
    """Return every registered version, the lowest first.

    Raises:
        RegistryError: If the tags cannot be read.
    """
    from gto.exceptions import ArtifactNotFound, GTOException

    try:
        rows: list[dict[str, Any]] = _import_gto().show(str(root), NAME, registered_only=True, versions_per_stage=-1)
    except ArtifactNotFound:
        return []
    except GTOException as error:
        raise RegistryError(
            f"the registry's git tags cannot be read: {error}; see: git tag --list '{NAME}[@#]*'"
        ) from error
    versions = [
        RegisteredVersion(
            row["version"], row["commit_hexsha"], tuple(sorted(stage["stage"] for stage in row["stages"]))
        )
        for row in rows
    ]
    return sorted(
        (one for one in versions if _VERSION.fullmatch(one.version)), key=lambda one: _parse_version(one.version)
    )


def compute_next_version(versions: list[str], requested_version: str | None) -> str:
    """Return the version to register: `wanted`, or the highest with its minor number raised; the first one is v0.1.0.

    Raises:
        RegistryError: If `wanted` is no version, or taken.
    """
    if requested_version is None:
        major, minor, _ = max(map(_parse_version, versions), default=(0, 0, 0))
        return f"v{major}.{minor + 1}.0"
    name = requested_version if requested_version.startswith("v") else f"v{requested_version}"
    if not _VERSION.fullmatch(name):
        raise RegistryError(
            f"--version {requested_version} is no version: three numbers, such as v1.2.0 / 버전은 v1.2.0처럼 씁니다"
        )
    if name in versions:
        raise RegistryError(
            f"{name} is registered already; the versions are {', '.join(versions)} / 이미 있는 버전입니다"
        )
    return name


def assign_champion(root: Path, version: str, revision: str, previous: str | None, message: str) -> None:
    """Register `version` unless it is, make it champion, and retire the previous one. What stands already stays.

    Raises:
        RegistryError: With GTO's words.
    """
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    name, address = get_identity(root)
    annotation: dict[str, Any] = {"message": message, "author": name, "author_email": address}
    stages = {one.version: one.stages for one in list_versions(root)}
    _wait_for_next_second(root)
    gto, repo = _import_gto(), str(root)
    try:
        if version not in stages:
            gto.register(repo, NAME, revision, version=version, **annotation)
        for other, other_stages in stages.items():
            if other != version and CHAMPION in other_stages:
                gto.unassign(repo, NAME, version=other, stage=CHAMPION, **annotation)
        if previous is not None and previous != version and RETIRED not in stages.get(previous, ()):
            gto.assign(repo, NAME, RETIRED, version=previous, **annotation)
        if RETIRED in stages.get(version, ()):
            gto.unassign(repo, NAME, version=version, stage=RETIRED, **annotation)
        if CHAMPION not in stages.get(version, ()):
            gto.assign(repo, NAME, CHAMPION, version=version, **annotation)
    except (GTOException, SCMError) as error:
        raise RegistryError(f"{version} could not be tagged: {error}") from error


@contextmanager
def remove_tags_on_failure(root: Path) -> Iterator[None]:
    """Delete the registry's tags that the block made, if it fails."""
    existing = _list_tags(root)
    try:
        yield
    except BaseException:
        if new_tags := sorted(_list_tags(root) - existing):
            run_git(root, "tag", "--delete", *new_tags)
        raise


def _list_tags(root: Path) -> set[str]:
    return set(run_git(root, "tag", "--list", f"{NAME}[@#]*").splitlines())


def _wait_for_next_second(root: Path) -> None:
    """Wait while the newest tag is of this second: GTO orders tags by time, and git's time has no fractions."""
    newest = run_git(
        root, "for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(creatordate:unix)", f"refs/tags/{NAME}#*"
    )
    while newest and int(time.time()) <= int(newest) <= time.time() + 2:
        time.sleep(0.05)


def _parse_version(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def _import_gto() -> Any:
    import gto.api

    return gto.api
