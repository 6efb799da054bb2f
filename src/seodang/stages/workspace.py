"""Check, before anything runs, that a run can end: git, DVC's files, and folders that this user may write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from seodang.config.yaml_file import check_conflict
from seodang.dvc_state.leftovers import remove_leftovers
from seodang.dvc_state.repair import repair_dvc_files
from seodang.dvc_state.settings import get_cache_folder, read_dvc_settings
from seodang.errors import ParamsError, RegistryError, WorkspaceError
from seodang.i18n import _
from seodang.io.git_process import GitMissing, UntrustedRepository, run_git
from seodang.io.os_errors import find_existing_parent, format_access_command, get_owner
from seodang.packaging.bento import get_store_folder
from seodang.paths import Paths

_LONG_STAGE: Final = "train"  # also checks what later stages write: they run hours later
_JUDGING_STAGES: Final = (_LONG_STAGE, "gate")
_STORING_STAGES: Final = (_LONG_STAGE, "package")
_MAX_NAMES: Final = 5  # in a message


def check_workspace(paths: Paths) -> None:
    """Check everything that a run of all stages needs; first repair what a killed run left of DVC's files.

    Raises:
        WorkspaceError: With every problem and its remedy.
    """
    if (paths.root / ".dvc").is_dir():
        repair_dvc_files(paths.root)
        remove_leftovers(paths.root)
    _raise(list_problems(paths))


def list_problems(paths: Paths) -> list[str]:
    """Return everything that would stop a run of all stages, each with its remedy.

    Raises:
        WorkspaceError: If DVC's settings are damaged, or the home folder is unknown.
    """
    return [
        *_find_git_problems(paths.root),
        *_find_repository_problems(paths.root),
        *_find_conflicts(paths),
        *_find_write_problems(paths, _LONG_STAGE),
    ]


def check_writable(stage: str, paths: Paths) -> None:
    """Check that a stage can write its results; `train` also checks for the stages after it.

    Raises:
        WorkspaceError: With every problem and its remedy.
    """
    _raise(list(_find_write_problems(paths, stage)))


def _raise(problems: list[str]) -> None:
    if problems:
        raise WorkspaceError("\n".join(problems))


def _find_git_problems(root: Path) -> Iterator[str]:
    """Yield why DVC would not find its git repository."""
    if not (root / ".dvc").is_dir():
        yield _("{folder} is no DVC project; change into the project's folder, or run: dvc init", folder=root)
    elif not any((parent / ".git").exists() for parent in (root, *root.parents)) and not _is_without_git(root):
        yield _(
            "{folder} is no git repository, which DVC expects; run: git init && git add . && git commit -m start; or"
            " work without git: dvc config --local core.no_scm true",
            folder=root,
        )


def _find_repository_problems(root: Path) -> Iterator[str]:
    """Yield why git cannot read its repository: DVC would fail after the first stage that it stores."""
    try:
        run_git(root, "ls-files", "--", "dvc.yaml")
    except (GitMissing, UntrustedRepository):  # DVC needs neither the program nor the owner's trust for a run
        return
    except RegistryError as error:
        if "not a git repository" not in str(error):
            yield _("git's repository is damaged ({error}); see what git says: git status; git fsck", error=error)


def _is_without_git(root: Path) -> bool:
    return bool(read_dvc_settings(root)["core"].get("no_scm"))


def _list_cache_folders(root: Path) -> list[Path]:
    """Return the folders of DVC's cache, in which DVC stores what a stage has written."""
    cache = get_cache_folder(root)
    parts = [cache / "files" / "md5", cache / "runs"]
    return [cache, *parts, *(folder for part in parts for folder in sorted(part.glob("*")))]


def _find_conflicts(paths: Paths) -> Iterator[str]:
    """Yield the files of the pipeline in which git left a merge conflict."""
    for file in (paths.dvc_yaml, paths.root / "dvc.lock", paths.inputs_lock):
        try:
            check_conflict(file.read_text("utf-8", errors="replace"), file.relative_to(paths.root))
        except FileNotFoundError:
            continue
        except ParamsError as error:
            yield str(error)


def _find_write_problems(paths: Paths, stage: str) -> Iterator[str]:
    """Yield the folders and files that a stage writes and this user may not."""
    own = [paths.root, paths.root / "dvc.lock", paths.inputs_lock, paths.root / ".dvc" / "tmp", paths.timings]
    trees = [paths.artifacts if stage == _LONG_STAGE else paths.get_stage_folder(stage), paths.timings.parent]
    if stage in _JUDGING_STAGES:
        trees.append(paths.ledger)
    if stage == _LONG_STAGE:
        own += _list_cache_folders(paths.root)
    written = (*own, *(folder for tree in trees for folder in _list_folders(tree)))
    refused = [path for path in written if not _may_write(path) or (path in trees and path.is_file())]
    blocking = [path for path in map(find_existing_parent, refused) if path.is_file() and path not in own]
    for file in dict.fromkeys(blocking):
        name = file.relative_to(paths.root) if file.is_relative_to(paths.root) else file
        yield _("{file} is a file, but a folder is needed there; move it away: mv {file} {file}.old", file=name)
    if refused := [path for path in refused if find_existing_parent(path) not in blocking]:
        yield _describe_refused(dict.fromkeys(refused), paths.root)
    if stage in _STORING_STAGES and not _may_write(store := _find_store()):
        yield _(
            "the packaged model goes into BentoML's store {folder}, which {owner} owns and you may not write; choose"
            " another folder: export BENTOML_HOME=FOLDER",
            folder=store,
            owner=get_owner(find_existing_parent(store)),
        )


def _find_store() -> Path:
    """Return the folder of BentoML's store, or the first folder in it that this user may not write.

    Raises:
        WorkspaceError: If the home folder is unknown.
    """
    try:
        store = get_store_folder()
    except RuntimeError as error:  # no HOME, and no entry in the system's list of users
        raise WorkspaceError(
            _("the home folder is unknown; set HOME, or choose BentoML's folder: export BENTOML_HOME=FOLDER")
        ) from error
    return next((path for path in (store, store / "models", store / "bentos") if not _may_write(path)), store)


def _list_folders(tree: Path) -> Iterator[Path]:
    """Yield a folder and the folders below it; what lies behind links is DVC's or the user's own."""
    yield tree
    for parent, names, _files in os.walk(tree):
        yield from (Path(parent, name) for name in names if not Path(parent, name).is_symlink())


def _may_write(path: Path) -> bool:
    """Return whether this user may write a path; one that does not exist is created in the nearest folder above it."""
    existing = find_existing_parent(path)
    if existing != path and not existing.is_dir():
        return False
    return os.access(existing, os.W_OK | os.X_OK if existing.is_dir() else os.W_OK)


def _describe_refused(refused: Iterable[Path], root: Path) -> str:
    existing = list(dict.fromkeys(find_existing_parent(path) for path in refused))
    names = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in existing]
    if any(os.statvfs(path).f_flag & os.ST_RDONLY for path in existing):
        return _(
            "these are on a read-only file system, and the run would fail when it writes them: {names}; work in a copy"
            " on a writable disk",
            names=_list_first(names),
        )
    return _(
        "you may not write these, and the run would fail when it does: {names} ({owners}); change that: {command}; or work in"
        " a copy of your own",
        names=_list_first(names),
        owners=", ".join(sorted({get_owner(path) for path in existing})),
        command=format_access_command({name: root / name for name in _drop_nested(names)}),
    )


def _list_first(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")


def _drop_nested(names: list[str]) -> list[str]:
    """Return the names without those that lie in another one."""
    return [name for name in names if not any(other != name and Path(other) in Path(name).parents for other in names)]
