"""What the registry asks of git: who is at work, what is committed, and one commit for each record."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from seodang.errors import RegistryError

# What a version is made again from: the commit has to hold them.
TRACKED_PATHS = ("dvc.lock", "dvc.yaml", "params.yaml", "bentofile.yaml", "src", "registry")


def run_git(root: Path, *arguments: str) -> str:
    """Return what a git command prints.

    Raises:
        RegistryError: With git's own words.
    """
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.rstrip()
    except FileNotFoundError as error:
        raise RegistryError("git is not installed; the registry consists of git tags / git이 없습니다") from error
    except subprocess.CalledProcessError as error:
        raise RegistryError(
            f"git {' '.join(arguments[:3])} failed: {error.stderr.strip() or error.stdout.strip()}"
        ) from error


def get_head(root: Path) -> str:
    """Return the commit that is checked out.

    Raises:
        RegistryError: Outside a repository, or before its first commit.
    """
    try:
        return run_git(root, "rev-parse", "--verify", "HEAD")
    except RegistryError as error:
        raise RegistryError(
            f"{root} is no git repository with a commit, and versions are git tags; run: git init && git add . && git commit ({error}) / git 저장소가 아닙니다"
        ) from error


def check_on_branch(root: Path) -> None:
    """Refuse a commit that no branch would hold.

    Raises:
        RegistryError: If no branch is checked out, or there is no repository.
    """
    revision = get_head(root)
    try:
        run_git(root, "symbolic-ref", "--quiet", "HEAD")
    except RegistryError as error:
        raise RegistryError(
            f"no branch is checked out (HEAD is {revision[:12]}), so the record would be lost; run: git switch BRANCH / 브랜치로 옮겨 가세요"
        ) from error


def get_identity(root: Path) -> tuple[str, str]:
    """Return name and address of whoever commits here, as git knows them.

    Raises:
        RegistryError: If git doesn't: the record must say who.
    """
    try:
        author = run_git(root, "var", "GIT_AUTHOR_IDENT").rpartition(">")[0]
    except RegistryError as error:
        raise RegistryError(
            "git does not know who you are, and the record must say it; run: git config user.name NAME && git config user.email ADDRESS / 이름을 git에 알려 주세요"
        ) from error
    name, _, address = author.partition(" <")
    return name, address


def list_uncommitted(root: Path, names: Sequence[str] = TRACKED_PATHS) -> list[str]:
    """Return what of `names` the checked-out commit doesn't hold as it lies here."""
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
    """Commit these files alone; what else is staged stays staged."""
    names = [file.relative_to(root).as_posix() for file in files]
    run_git(root, "add", "--", *names)
    run_git(root, "commit", "--quiet", "--only", "--message", message, "--", *names)


def unstage(root: Path, files: Sequence[Path]) -> None:
    """Take these files out of the index again."""
    run_git(root, "reset", "--quiet", "--", *(file.relative_to(root).as_posix() for file in files))
