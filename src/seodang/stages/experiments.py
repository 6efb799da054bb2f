"""Folders of DVC experiments: inputs that DVC does not carry into them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from seodang.errors import RegistryError, SourceError
from seodang.i18n import _
from seodang.io.git_process import UntrustedRepository, run_git

_EXPERIMENTS: Final = (".dvc", "tmp", "exps")
_RUNS: Final = (".seodang", "runs")

_MAX_NAMES: Final = 5  # in a message


def find_workspace(root: Path) -> Path | None:
    """Return the project that started an experiment in a folder of its own; None in the project.

    Such folders belong to `dvc exp run` with --temp or --queue, or to a run of a flow.
    """
    parts = root.parts
    starts = [
        index
        for index in range(len(parts))
        for folders in (_EXPERIMENTS, _RUNS)
        if parts[index : index + len(folders)] == folders
    ]
    return Path(*parts[: starts[-1]]) if starts else None


def check_experiment(
    inputs: Mapping[str, Mapping[str, Path]],
    expected: Mapping[str, Mapping[str, Path]],
    workspace: Path,
    root: Path,
) -> None:
    """Raise a SourceError if DVC did not carry an input of the project into `root`, the folder of the experiment."""
    missing = [
        path.relative_to(workspace).as_posix()
        for stage, files in expected.items()
        for name, path in files.items()
        if not {name, path.as_posix()} & inputs[stage].keys() and path.is_relative_to(workspace)
    ]
    names = sorted({_find_missing_parent(name, root) for name in select_untracked(dict.fromkeys(missing), workspace)})
    if not names:
        return
    title = _(
        "the experiment's folder lacks inputs that neither git nor DVC tracks: {names}", names=format_names(names)
    )
    raise SourceError("\n".join([title, *_list_remedies(names, workspace, is_flow=_RUNS[0] in root.parts)]))


def _list_remedies(names: list[str], workspace: Path, *, is_flow: bool) -> list[str]:
    """Return what a user can do about missing inputs, as lines."""
    track = _(
        "  track them: dvc add {names} && git add {folders}",
        names=" ".join(names),
        folders=" ".join(sorted({Path(name).parent.as_posix() for name in names})),
    )
    if is_flow:
        advice = [track, _("  or let the flow use them: set include_changes, or name the folder in data")]
    else:
        advice = [
            track,
            _(
                "  or carry them along: dvc exp run --temp {options} (--queue has no such option)",
                options=" ".join(f"--copy-paths {name}" for name in names),
            ),
            _("  or run in the project's folder: dvc exp run without --temp and --queue"),
        ]
    links = [name for name in names if (workspace / name).is_symlink() and (workspace / name).is_dir()]
    if links:
        advice.insert(
            0, _("  DVC tracks no linked folder; first replace {links} by their files", links=" ".join(links))
        )
    return advice


def _find_missing_parent(name: str, root: Path) -> str:
    """Return the highest folder of a path that `root` lacks, or the path itself."""
    parts = Path(name).parts
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return next((prefix for prefix in prefixes if not os.path.lexists(root / prefix)), name)


def select_untracked(names: Iterable[str], workspace: Path) -> list[str]:
    """Return the files that neither git tracks nor DVC by a .dvc file in git."""
    return [
        name
        for name in names
        if not any(_is_tracked_by_git(candidate, workspace) for candidate in (name, *_list_pointers(name, workspace)))
    ]


def _list_pointers(name: str, root: Path) -> list[str]:
    """Return the .dvc files of a file and of the folders above it."""
    parts = Path(name).parts
    pointers = [f"{'/'.join(parts[: count + 1])}.dvc" for count in range(len(parts))]
    return [pointer for pointer in pointers if (root / pointer).is_file()]


def _is_tracked_by_git(name: str, root: Path) -> bool:
    try:
        run_git(root, "ls-files", "--error-unmatch", "--", f":(literal){name}")
    except UntrustedRepository:
        raise
    except RegistryError:  # git does not know the file
        return False
    return True


def format_names(names: list[str]) -> str:
    """Return the first names for a message."""
    return " ".join(names[:_MAX_NAMES]) + (" ..." if len(names) > _MAX_NAMES else "")
