"""Keep versions and stages as git tags, with GTO.

seodang@v0.2.0 registers a version, seodang#champion#3 assigns a stage, seodang#champion!#4 removes it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.git_process import run_git
from seodang.registry.git import delete_tags, get_identity

NAME: Final = "seodang"  # the name under `artifacts:` in dvc.yaml
CHAMPION: Final = "champion"
RETIRED: Final = "retired"
_VERSION: Final = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version with a registering tag."""

    version: str
    revision: str
    stages: tuple[str, ...]
    """Current stages of the version."""


def format_tag(version: str) -> str:
    """Return the git tag that registers a version."""
    return f"{NAME}@{version}"


def is_version(name: str) -> bool:
    """Return whether a name is that of a version, such as v0.1.0."""
    return _VERSION.fullmatch(name) is not None


def list_versions(root: Path) -> list[RegisteredVersion]:
    """Return all registered versions, lowest first.

    Raises:
        RegistryError: If the tags cannot be read.
    """
    from gto.exceptions import ArtifactNotFound, GTOException
    from scmrepo.exceptions import SCMError

    try:
        rows: list[dict[str, Any]] = _import_gto().show(str(root), NAME, registered_only=True, versions_per_stage=-1)
    except ArtifactNotFound:
        return []
    except (GTOException, SCMError) as error:  # the second one of a damaged repository
        raise RegistryError(
            _(
                "the registry's git tags cannot be read: {error}; see: git tag --list '{name}[@#]*'",
                error=error,
                name=NAME,
            )
        ) from error
    versions = [
        RegisteredVersion(
            row["version"], row["commit_hexsha"], tuple(sorted(stage["stage"] for stage in row["stages"]))
        )
        for row in rows
    ]
    return sorted(
        (version for version in versions if is_version(version.version)),
        key=lambda version: parse_version(version.version),
    )


def compute_next_version(versions: list[str], requested_version: str | None) -> str:
    """Return the version to register: the requested one, or the highest with the next minor number; first is v0.1.0.

    Raises:
        RegistryError: If the requested version is malformed or already registered.
    """
    if requested_version is None:
        major, minor = max(map(parse_version, versions), default=(0, 0, 0))[:2]
        return f"v{major}.{minor + 1}.0"
    name = requested_version if requested_version.startswith("v") else f"v{requested_version}"
    if not _VERSION.fullmatch(name):
        raise RegistryError(_("--version {version}: expected three numbers, such as v1.2.0", version=requested_version))
    if name in versions:
        raise RegistryError(
            _(
                "{version} is already registered; the versions are {versions}",
                version=name,
                versions=", ".join(versions),
            )
        )
    return name


def assign_champion(root: Path, version: str, revision: str, previous: str | None, message: str) -> None:
    """Register a version, make it champion and retire the previous one; existing tags are kept.

    Raises:
        RegistryError: With GTO's message.
    """
    from gto.exceptions import GTOException
    from scmrepo.exceptions import SCMError

    name, address = get_identity(root)
    annotation: dict[str, Any] = {"message": message, "author": name, "author_email": address}
    stages = {registered.version: registered.stages for registered in list_versions(root)}
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
        raise RegistryError(
            _("git tags for {version} could not be created: {error}", version=version, error=error)
        ) from error


@contextmanager
def remove_tags_on_failure(root: Path) -> Iterator[None]:
    """Delete the registry's tags that the block created, if it fails."""
    existing = _list_tags(root)
    try:
        yield
    except BaseException:
        if new_tags := sorted(_list_tags(root) - existing):
            delete_tags(root, new_tags)
        raise


def _list_tags(root: Path) -> set[str]:
    return set(run_git(root, "tag", "--list", f"{NAME}[@#]*").splitlines())


def _wait_for_next_second(root: Path) -> None:
    """Wait until the newest tag is a second old: GTO orders tags by time, and git stores full seconds."""
    newest = run_git(
        root, "for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(creatordate:unix)", f"refs/tags/{NAME}#*"
    )
    while newest and int(time.time()) <= int(newest) <= time.time() + 2:
        time.sleep(0.05)


def parse_version(version: str) -> tuple[int, int, int]:
    """Return the three numbers of a version such as v0.1.0."""
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def _import_gto() -> Any:
    import gto.api

    return gto.api
