"""Open a run: resolve its revision, create its worktree, write its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import WorkspaceError
from seodang.orchestration.ignored_inputs import carry_ignored_inputs, compute_digest
from seodang.orchestration.ledger import carry_judgements
from seodang.orchestration.overrides import apply_parameters
from seodang.orchestration.parameters import COMMITTED, RunParameters, StudyParameters
from seodang.orchestration.revisions import Revision, list_changes, resolve_revision
from seodang.orchestration.sharing import fetch_experiment
from seodang.orchestration.unfinished import adopt_unfinished
from seodang.orchestration.worktrees import Worktree, open_worktree
from seodang.stages.workspace import check_workspace

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Run:
    """A run that may start."""

    worktree: Worktree
    changes: Mapping[str, tuple[Any, Any]]
    """Parameters that differ from those of the revision: old and new value by name."""
    left_out: tuple[str, ...]
    """Uncommitted files of the working tree that the run does not use."""
    carried: tuple[str, ...]
    """Inputs that git ignores and the run uses; with include_changes only."""
    resumes: bool
    """Whether an equal run left checkpoints or results."""


def name_run(run: RunParameters, commit: str) -> str:
    """Return the name of a flow run: its profile and its commit."""
    profile = "params" if run.profile == COMMITTED else Path(run.profile).stem
    return f"{_NOT_IN_NAMES.sub('-', profile)}-{commit[:7]}"


def find_revision(run: RunParameters, project: Path) -> Revision:
    """Return the revision of a run; with `share`, an experiment may come from the git remote.

    Raises:
        WorkspaceError: If there is none.
    """
    try:
        return resolve_revision(project, run.revision, include_changes=run.include_changes)
    except WorkspaceError:
        if not run.share or fetch_experiment(project, run.revision) is None:
            raise
        return resolve_revision(project, run.revision)


@contextmanager
def open_run(run: RunParameters, project: Path, run_id: str) -> Iterator[Run]:
    """Yield a run in a worktree of its own, which is removed at the end.

    Args:
        run: Parameters.
        project: Folder of the project.
        run_id: Unique; its start ends the name of the experiment.

    Raises:
        ParamsError: With every error of the parameters.
        WorkspaceError: With every problem of the project, or if there is no such revision.
    """
    revision = find_revision(run, project)
    name = f"{name_run(run, revision.commit)}-{run_id[:8]}"
    with open_worktree(project, name, revision) as worktree:
        changes = apply_parameters(run, worktree.project, worktree.paths)
        carried = carry_ignored_inputs(worktree.project, worktree.root) if run.include_changes else []
        check_workspace(worktree.paths)
        carry_judgements(worktree.project, worktree.root)
        is_head = run.revision == "HEAD" and not run.include_changes
        left_out = tuple(list_changes(worktree.project)) if is_head else ()
        files = revision.tree + compute_digest(worktree.root, carried)
        resumes = _adopt_unfinished(run, worktree, files)
        yield Run(worktree, changes, left_out, tuple(carried), resumes)


def _adopt_unfinished(run: RunParameters, worktree: Worktree, files: str) -> bool:
    """Move what an equal run left into the worktree: of a study its folder, else checkpoints and scores."""
    where = (worktree.project, worktree.folder, worktree.root, files)
    if not isinstance(run, StudyParameters):
        return adopt_unfinished(*where)
    study = worktree.paths.get_study_folder(Path(run.study).stem)
    return adopt_unfinished(*where, [study.relative_to(worktree.root).as_posix()])
