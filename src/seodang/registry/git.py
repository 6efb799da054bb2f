"""Run git for the registry: identity, uncommitted files, and one commit for each event."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.git_process import GitMissing, UntrustedRepository, describe_ownership, run_git
from seodang.io.os_errors import describe_os_text

# A version is reproduced from these paths, so its commit must contain them.
TRACKED_PATHS = ("dvc.lock", "inputs.lock", "dvc.yaml", "params.yaml", "bentofile.yaml", "src", "registry")


def describe_dvc_failure(root: Path, output: str) -> str:
    """Return why a command of DVC failed: an error of git or the system with the way out, else DVC's own words."""
    if "is not owned by current user" in output:
        return describe_ownership(root)
    lines = [line for line in output.strip().splitlines() if line and not line.startswith("Having any troubles?")]
    return describe_os_text(output) or "\n".join(lines)


def get_head(root: Path) -> str:
    """Return the checked-out commit.

    Raises:
        RegistryError: Outside a repository, or before its first commit.
    """
    try:
        return run_git(root, "rev-parse", "--verify", "HEAD")
    except (GitMissing, UntrustedRepository):
        raise
    except RegistryError as error:
        raise RegistryError(
            _(
                "{folder} is no git repository with a commit, and versions are git tags; run: git init && git add . && git"
                " commit ({error})",
                folder=root,
                error=error,
            )
        ) from error


def check_on_branch(root: Path) -> None:
    """Raise an error if a new commit would belong to no branch.

    Raises:
        RegistryError: If no branch is checked out, or there is no repository.
    """
    revision = get_head(root)
    try:
        run_git(root, "symbolic-ref", "--quiet", "HEAD")
    except RegistryError as error:
        raise RegistryError(
            _(
                "no branch is checked out (HEAD is {revision}), so the record would be lost; run: git switch BRANCH",
                revision=revision[:12],
            )
        ) from error


def get_identity(root: Path) -> tuple[str, str]:
    """Return the name and the email address of the git user.

    Raises:
        RegistryError: If git has no identity, because the record names its author.
    """
    try:
        author = run_git(root, "var", "GIT_AUTHOR_IDENT").rpartition(">")[0]
    except RegistryError as error:
        raise RegistryError(
            _(
                "git has no user name and email address, and the record names its author; run: git config user.name NAME"
                " && git config user.email ADDRESS"
            )
        ) from error
    name, address = author.partition(" <")[::2]
    return name, address


def list_uncommitted(root: Path, names: Sequence[str] = TRACKED_PATHS) -> list[str]:
    """Return the files below `names` that differ from the checked-out commit."""
    existing = [name for name in names if (root / name).exists()]
    changed = (
        {
            line[3:].strip('"')
            for line in run_git(
                root, "-c", "core.quotepath=off", "status", "--porcelain", "--untracked-files=normal", "--", *existing
            ).splitlines()
        }
        if existing
        else set()
    )
    lock = {"dvc.lock"} if "dvc.lock" in names and not run_git(root, "ls-files", "--", "dvc.lock") else set()
    return sorted(changed | lock)


def commit(root: Path, files: Sequence[Path], message: str) -> None:
    """Commit only these files; other staged files stay staged."""
    names = [file.relative_to(root).as_posix() for file in files]
    run_git(root, "add", "--", *names)
    run_git(root, "commit", "--quiet", "--only", "--message", message, "--", *names)


def delete_tags(root: Path, names: Sequence[str]) -> None:
    """Delete tags; unlike `git tag --delete`, this needs no space for a new list of all references."""
    for name in names:
        run_git(root, "update-ref", "-d", f"refs/tags/{name}")


def unstage(root: Path, files: Sequence[Path]) -> None:
    """Remove these files from the index."""
    run_git(root, "reset", "--quiet", "--", *(file.relative_to(root).as_posix() for file in files))
