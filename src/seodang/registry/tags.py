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
from seodang.registry.git import git, identity

NAME: Final = "seodang"  # as under `artifacts:` in dvc.yaml
CHAMPION: Final = "champion"
RETIRED: Final = "retired"
_VERSION: Final = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that a tag registers."""

    version: str
    revision: str
    stages: tuple[str, ...]  # that it is in now


def tag_of(version: str) -> str:
    """Return the git tag that registers a version."""
    return f"{NAME}@{version}"


def registered(root: Path) -> list[Registered]:
    """Return every registered version, the lowest first.

    Raises:
        RegistryError: If the tags cannot be read.
    """
    from gto.exceptions import ArtifactNotFound, GTOException

    try:
        found: list[dict[str, Any]] = _gto().show(str(root), NAME, registered_only=True, versions_per_stage=-1)
    except ArtifactNotFound:
        return []
    except GTOException as error:
        raise RegistryError(
            f"the registry's git tags cannot be read: {error}; see: git tag --list '{NAME}[@#]*'"
        ) from error
    versions = [
        Registered(row["version"], row["commit_hexsha"], tuple(sorted(stage["stage"] for stage in row["stages"])))
        for row in found
    ]
    return sorted((one for one in versions if _VERSION.fullmatch(one.version)), key=lambda one: _numbers(one.version))


def next_version(versions: list[str], wanted: str | None) -> str:
    """Return the version to register: `wanted`, or the highest with its minor number raised; the first one is v0.1.0.

    Raises:
        RegistryError: If `wanted` is no version, or taken.
    """
    if wanted is None:
        major, minor, _ = max(map(_numbers, versions), default=(0, 0, 0))
        return f"v{major}.{minor + 1}.0"
    name = wanted if wanted.startswith("v") else f"v{wanted}"
    if not _VERSION.fullmatch(name):
        raise RegistryError(
            f"--version {wanted} is no version: three numbers, such as v1.2.0 / 버전은 v1.2.0처럼 씁니다"
        )
    if name in versions:
        raise RegistryError(
            f"{name} is registered already; the versions are {', '.join(versions)} / 이미 있는 버전입니다"
        )
    return name


def move(root: Path, version: str, revision: str, previous: str | None, message: str) -> None:
    """Register `version` unless it is, make it champion, and retire the previous one. What stands already stays.

    Raises:
        RegistryError: With GTO's words.
    """
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    name, address = identity(root)
    said: dict[str, Any] = {"message": message, "author": name, "author_email": address}
    stages = {one.version: one.stages for one in registered(root)}
    _wait_for_another_second(root)
    gto, place = _gto(), str(root)
    try:
        if version not in stages:
            gto.register(place, NAME, revision, version=version, **said)
        for other, held in stages.items():
            if other != version and CHAMPION in held:
                gto.unassign(place, NAME, version=other, stage=CHAMPION, **said)
        if previous is not None and previous != version and RETIRED not in stages.get(previous, ()):
            gto.assign(place, NAME, RETIRED, version=previous, **said)
        if RETIRED in stages.get(version, ()):
            gto.unassign(place, NAME, version=version, stage=RETIRED, **said)
        if CHAMPION not in stages.get(version, ()):
            gto.assign(place, NAME, CHAMPION, version=version, **said)
    except (GTOException, SCMError) as error:
        raise RegistryError(f"{version} could not be tagged: {error}") from error


@contextmanager
def taken_back_on_failure(root: Path) -> Iterator[None]:
    """Delete the registry's tags that the block made, if it fails."""
    there = _tags(root)
    try:
        yield
    except BaseException:
        if made := sorted(_tags(root) - there):
            git(root, "tag", "--delete", *made)
        raise


def _tags(root: Path) -> set[str]:
    return set(git(root, "tag", "--list", f"{NAME}[@#]*").splitlines())


def _wait_for_another_second(root: Path) -> None:
    """Wait while the newest tag is of this second: GTO orders tags by time, and git's time has no fractions."""
    newest = git(
        root, "for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(creatordate:unix)", f"refs/tags/{NAME}#*"
    )
    while newest and int(time.time()) <= int(newest) <= time.time() + 2:
        time.sleep(0.05)


def _numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def _gto() -> Any:
    import gto.api

    return gto.api
