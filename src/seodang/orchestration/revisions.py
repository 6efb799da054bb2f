"""Find the commit that a run works on, and take uncommitted changes along without touching the working tree."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seodang.errors import RegistryError, WorkspaceError
from seodang.i18n import _
from seodang.io.git_process import GitMissing, UntrustedRepository, run_git

EXPERIMENTS: Final = "refs/exps"
_EXPERIMENT_NAME: Final = re.compile(r"^[\w.-]+$")
_EXPERIMENT_REF: Final = re.compile(rf"^{EXPERIMENTS}/([0-9a-f]{{2}})/([0-9a-f]{{38}})/[^/]+$")


@dataclass(frozen=True, slots=True)
class Revision:
    """The files that a run starts with."""

    commit: str
    """Commit that the result belongs to: `dvc exp show` lists the experiment under it."""
    tree: str
    """Commit or tree of the files: the commit itself, an experiment on it, or the changes of the working tree."""


def resolve_revision(root: Path, text: str, *, include_changes: bool = False) -> Revision:
    """Return the revision of a commit, branch, tag or DVC experiment.

    Args:
        root: Folder of the project.
        text: What the user named.
        include_changes: Take the files of the working tree, also new ones, unless git ignores them.

    Raises:
        WorkspaceError: If there is no such revision, or no commit yet.
    """
    commit = _find_commit(root, text)
    if include_changes:
        return Revision(commit, _write_working_tree(root))
    references = run_git(root, "for-each-ref", f"--points-at={commit}", "--format=%(refname)", EXPERIMENTS)
    matches = [match for line in references.splitlines() if (match := _EXPERIMENT_REF.match(line))]
    return Revision("".join(matches[0].groups()), commit) if matches else Revision(commit, commit)


def _find_commit(root: Path, text: str) -> str:
    names = [text]
    try:
        if _EXPERIMENT_NAME.match(text):
            pattern = f"{EXPERIMENTS}/*/*/{text}"
            found = run_git(root, "for-each-ref", "--sort=-committerdate", "--format=%(refname)", pattern)
            names += found.splitlines()[:1]
        for name in names:
            if commit := _parse_revision(root, name):
                return commit
    except (GitMissing, UntrustedRepository):
        raise
    except RegistryError as error:
        raise WorkspaceError(
            _(
                "flows run on commits, and {folder} is no git repository: git init && git add . && git commit",
                folder=root,
            )
        ) from error
    if text == "HEAD":
        raise WorkspaceError(_("flows run on commits, and there is none yet: git add . && git commit -m start"))
    raise WorkspaceError(
        _("there is no commit, branch, tag or experiment {name!r}; see: git log, dvc exp list", name=text)
    )


def _parse_revision(root: Path, name: str) -> str | None:
    run_git(root, "rev-parse", "--git-dir")  # outside a repository this fails, with git's message
    try:
        return run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except RegistryError:
        return None


def _write_working_tree(root: Path) -> str:
    """Return a tree with the files of the working tree; only git's objects grow."""
    index = root / run_git(root, "rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "index")
        if index.is_file():
            shutil.copy2(index, copy)  # so that unchanged files are not read again
        environment = {"GIT_INDEX_FILE": str(copy)}
        top = Path(run_git(root, "rev-parse", "--show-toplevel"))
        run_git(top, "add", "--all", "--", ".", environment=environment)
        return run_git(top, "write-tree", environment=environment)


def list_changes(root: Path) -> list[str]:
    """Return the files of the working tree that are changed or new; of a renamed one the new name."""
    entries = iter(run_git(root, "status", "--porcelain", "-z", "--", ".").split("\0"))  # -z: git quotes no name
    names = []
    for entry in entries:
        if entry:
            names.append(entry[3:])
        if {"R", "C"} & set(entry[:2]):
            next(entries)  # the former name
    return names
