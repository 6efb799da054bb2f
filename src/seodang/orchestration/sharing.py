"""Hand experiments over to other machines: references through the git remote, data through the DVC remote."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seodang.errors import WorkspaceError
from seodang.i18n import _
from seodang.io.git_process import run_git
from seodang.orchestration.revisions import EXPERIMENTS
from seodang.orchestration.worktrees import Worktree

REMOTE: Final = "origin"


def push_experiment(worktree: Worktree) -> None:
    """Push the experiment of a run to the git remote.

    Raises:
        RegistryError: With git's message.
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    reference = str(ExpRefInfo(worktree.revision.commit, worktree.name))
    run_git(worktree.project, "push", "--quiet", "--force", REMOTE, f"{reference}:{reference}")


def fetch_experiment(root: Path, pattern: str) -> str | None:
    """Fetch an experiment from the git remote and return its name; None if the remote has none.

    Args:
        root: Folder of the project.
        pattern: Name, which may begin with "*".

    Raises:
        WorkspaceError: If several experiments match.
        RegistryError: With git's message.
    """
    found = run_git(root, "ls-remote", REMOTE, f"{EXPERIMENTS}/*/{pattern}").split()
    references = found[1::2]
    if not references:
        return None
    if len(references) > 1:
        raise WorkspaceError(
            _("the git remote has several experiments {pattern}: {names}", pattern=pattern, names=" ".join(references))
        )
    run_git(root, "fetch", "--quiet", REMOTE, f"+{references[0]}:{references[0]}")
    return references[0].rpartition("/")[2]


def take_over(worktree: Worktree, commit: str) -> None:
    """Give a worktree the files of another run's experiment, such as the dvc.lock that names its outputs."""
    run_git(worktree.root, "-c", "core.hooksPath=/dev/null", "read-tree", "-u", "--reset", commit)
