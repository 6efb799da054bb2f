"""Check that git's tags agree with the registry's record: nothing is promoted beside a champion of another branch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.git_process import run_git
from seodang.registry.git import get_head
from seodang.registry.history import RegistryEvent
from seodang.registry.tags import CHAMPION, format_tag, list_versions


def check_tags(root: Path, history: Iterable[RegistryEvent], versions: Collection[str] = ()) -> None:
    """Raise an error if the tags are not those of the record.

    Args:
        root: Of the project.
        history: The record.
        versions: Versions whose tags are needed; empty for all.

    Raises:
        RegistryError: If tags of recorded versions or their commits are missing, or name other commits, or if the tags
            name a champion that the record of this branch does not have. Tags of a promotion that was killed at the
            checked-out commit are no error: the same command finishes it.
    """
    recorded = {event.version: event.revision for event in history}
    revisions = {version: revision for version, revision in recorded.items() if not versions or version in versions}
    tagged = read_tagged_revisions(root)
    _check_complete(root, revisions, tagged)
    if moved := list_moved(revisions, tagged):
        version = moved[0]
        raise RegistryError(
            _(
                "the tag {tag} names commit {actual}, but {version} is commit {expected}; it was moved by hand. Restore it: "
                "git fetch --tags --force, or: git tag --force --annotate --message restored {tag} {expected}",
                tag=format_tag(version),
                version=version,
                actual=tagged[version][:12],
                expected=revisions[version][:12],
            )
        )
    _check_champion(root, recorded)


def read_tagged_revisions(root: Path) -> dict[str, str]:
    """Return the commit of each registering tag by version, also of tags without a message, which GTO leaves out."""
    prefix = format_tag("")
    listed = run_git(
        root, "for-each-ref", "--format=%(refname:short) %(objectname) %(*objectname)", f"refs/tags/{prefix}*"
    )
    tags = (line.split() for line in listed.splitlines())
    return {name.removeprefix("tags/").removeprefix(prefix): commits[-1] for name, *commits in tags}


def list_moved(revisions: Mapping[str, str], tagged: Mapping[str, str]) -> list[str]:
    """Return the recorded versions whose tag names another commit than the record."""
    return [version for version, revision in revisions.items() if tagged.get(version, revision) != revision]


def _check_complete(root: Path, revisions: Mapping[str, str], tagged: Mapping[str, str]) -> None:
    missing = [version for version in revisions if version not in tagged]
    absent = [version for version, revision in revisions.items() if not _has_commit(root, revision)]
    if not missing and not absent:
        return
    is_shallow = run_git(root, "rev-parse", "--is-shallow-repository") == "true"
    raise RegistryError(
        _(
            "this clone lacks the tags or the commits of {versions}; run: {command}",
            versions=", ".join(dict.fromkeys([*missing, *absent])),
            command="git fetch --tags --unshallow" if is_shallow else "git fetch --tags",
        )
    )


def _has_commit(root: Path, revision: str) -> bool:
    try:
        run_git(root, "cat-file", "-e", f"{revision}^{{commit}}")
    except RegistryError:
        return False
    return True


def _check_champion(root: Path, revisions: Mapping[str, str]) -> None:
    """Raise an error if the tags' champion is a version that the record does not have, at another commit than HEAD."""
    head = get_head(root)
    for one in list_versions(root):
        if CHAMPION in one.stages and one.version not in revisions and one.revision != head:
            raise RegistryError(
                _(
                    "the champion of the git tags is {version}, which the record of this branch does not have. If it was "
                    "promoted on another branch, merge that one and run: dvc repro. If its promotion was interrupted, "
                    "delete its tags; they are: git tag --list --points-at {revision}",
                    version=one.version,
                    revision=one.revision[:12],
                )
            )
