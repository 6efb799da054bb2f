"""Save the result of a run as a DVC experiment: a commit below refs/exps, which `dvc exp show` lists.

`dvc exp save` would write the same reference, but on the way it uses references that all worktrees share
(refs/exps/exec), so that two runs, or a run and a user, would disturb each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from seodang.errors import RegistryError
from seodang.io.git_process import run_git
from seodang.orchestration.uncached_outputs import list_uncached_outputs
from seodang.orchestration.worktrees import Worktree

_OF_THIS_RUN: Final = (".seodang", ".dvc/config.local")  # in a project whose .gitignore lacks them
_AUTHOR: Final = ("-c", "user.name=Seodang", "-c", "user.email=seodang@localhost")


def save_experiment(worktree: Worktree, *, further_files: Iterable[Path] = ()) -> str:
    """Save the files of a worktree as an experiment and return its commit; a later call replaces it.

    Args:
        worktree: Of a run. Its outputs are in DVC's cache, and dvc.lock names them.
        further_files: Files and folders that git ignores and the experiment holds all the same.

    Raises:
        RegistryError: With git's message.
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    root = worktree.root
    run_git(root, "add", "--all", "--", ".")
    run_git(root, "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", *_OF_THIS_RUN)
    if ignored := [str(path) for path in (*list_uncached_outputs(root), *further_files) if path.exists()]:
        run_git(root, "add", "--force", "--", *ignored)
    tree = run_git(root, "write-tree")
    commit = run_git(
        root,
        *([] if _has_author(root) else _AUTHOR),
        *("commit-tree", tree, "-p", worktree.revision.commit, "-m", f"seodang flow: {worktree.name}"),
    )
    run_git(root, "update-ref", str(ExpRefInfo(worktree.revision.commit, worktree.name)), commit)
    return commit


def _has_author(root: Path) -> bool:
    try:
        run_git(root, "var", "GIT_COMMITTER_IDENT")
    except RegistryError:
        return False
    return True
