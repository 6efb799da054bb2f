"""Checks of the project: parameters, git, DVC's files and its remote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from seodang.config.load import load_params
from seodang.doctor.findings import Finding
from seodang.dvc_state.leftovers import list_leftovers, measure_size
from seodang.dvc_state.lock_holders import list_living_holders
from seodang.dvc_state.repair import find_damage
from seodang.dvc_state.settings import read_dvc_settings
from seodang.errors import RegistryError, SeodangError, WorkspaceError
from seodang.i18n import _, ngettext
from seodang.io.git_process import run_git
from seodang.io.os_errors import find_existing_parent, format_access_command
from seodang.paths import Paths
from seodang.stages.workspace import list_problems

_REPAIR: Final = "seodang doctor --repair"
_MEGABYTE: Final = 1e6  # bytes


def check_params(paths: Paths) -> Iterator[Finding]:
    """Check that params.yaml can be used."""
    try:
        params = load_params(paths.params)
    except SeodangError as error:
        yield Finding("params.yaml", "error", str(error))
        return
    yield Finding(
        "params.yaml", "ok", _("model {name}, method {method}", name=params.model.name, method=params.train.method)
    )


def check_git(paths: Paths) -> Iterator[Finding]:
    """Check the repository, and that git knows who commits: a promotion is a commit."""
    commit = _ask_git(paths.root, "rev-parse", "--short", "HEAD")
    author = _ask_git(paths.root, "config", "user.email")
    commands = [] if author else ['git config user.name "NAME"', 'git config user.email "ADDRESS"']
    if commit is None:  # `check_workspace` says what to do where a run needs it
        if _ask_git(paths.root, "rev-parse", "--git-dir") is None:
            commands.insert(0, "git init")
        commands += ["git add .", "git commit -m start"]
        yield Finding("git", "warning", _("no commit yet; the registry needs one"), " && ".join(commands))
    elif author is None:
        text = _(
            "commit {commit}; git does not know who you are, and `seodang registry promote` commits", commit=commit
        )
        yield Finding("git", "warning", text, " && ".join(commands))
    else:
        yield Finding("git", "ok", _("commit {commit}, author {author}", commit=commit, author=author))


def _ask_git(root: Path, *arguments: str) -> str | None:
    """Return what git answers; None if it refuses."""
    try:
        return run_git(root, *arguments)
    except RegistryError:
        return None


def check_workspace(paths: Paths) -> Iterator[Finding]:
    """Check what `seodang run` checks before it starts, but for DVC's files: git, settings, folders."""
    try:
        problems = list_problems(paths)
    except WorkspaceError as error:
        problems = [str(error)]
    for problem in problems:
        yield Finding(_("project"), "error", problem)
    if not problems:
        yield Finding(_("project"), "ok", str(paths.root))


def check_dvc_files(paths: Paths) -> Iterator[Finding]:
    """Check DVC's locks and dvc.lock, and look for temporary files of killed runs."""
    holders = list_living_holders(paths.root)
    damage = find_damage(paths.root)
    if holders:
        names = ", ".join(f"{holder.pid} ({holder.command})" for holder in holders)
        yield Finding(_("DVC locks"), "ok", _("a run works here: process {holders}", holders=names))
    elif damage:
        for message in damage:
            yield Finding(_("DVC locks"), "warning", message, _REPAIR)
    else:
        yield Finding(_("DVC locks"), "ok", _("no process holds one"))
    try:
        leftovers = list_leftovers(paths.root)
    except WorkspaceError:  # another check reports it
        return
    if leftovers:
        text = ngettext(
            "{count} temporary file of killed runs, {megabytes:,.1f} MB",
            "{count} temporary files of killed runs, {megabytes:,.1f} MB",
            len(leftovers),
            megabytes=sum(map(measure_size, leftovers)) / _MEGABYTE,
        )
        yield Finding(_("leftovers"), "warning", text, _REPAIR)


def check_remote(paths: Paths) -> Iterator[Finding]:
    """Check that DVC's default remote can be used; one on the network is not contacted."""
    try:
        settings = read_dvc_settings(paths.root)
    except (WorkspaceError, RuntimeError):  # another check reports it
        return
    name = settings["core"].get("remote")
    if not name:
        text = _("none: results stay on this machine (to share them: dvc remote add --default NAME URL)")
        yield Finding(_("DVC remote"), "ok", text)
        return
    url = str(settings["remote"].get(name, {}).get("url", ""))
    yield _check_url(name, url)


def _check_url(name: str, url: str) -> Finding:
    scheme, separator, _rest = url.partition("://")
    if not url:
        text = _("{name} has no URL", name=name)
        return Finding(_("DVC remote"), "error", text, f"dvc remote modify {name} url URL")
    if separator and scheme != "file":
        return _check_scheme(name, url, scheme)
    folder = Path(url.removeprefix("file://"))  # DVC's settings hold absolute paths
    existing = find_existing_parent(folder)
    if not os.access(existing, os.W_OK | os.X_OK):
        text = _("{name} ({url}) may not be written, so `dvc push` fails", name=name, url=folder)
        return Finding(_("DVC remote"), "error", text, format_access_command({str(existing): existing}))
    return Finding(_("DVC remote"), "ok", f"{name}: {folder}")


def _check_scheme(name: str, url: str, scheme: str) -> Finding:
    """Return whether the package for a kind of store is installed."""
    package = {"s3": "s3", "gs": "gs", "azure": "azure", "ssh": "ssh", "webdav": "webdav", "webdavs": "webdav"}.get(
        scheme
    )
    shown = url.split("@", 1)[-1].split("?", 1)[0] if "@" in url else url.split("?", 1)[0]
    if package is not None and find_spec(f"dvc_{package}") is None:
        text = _("{name} ({url}) needs the package dvc-{package}", name=name, url=shown, package=package)
        return Finding(_("DVC remote"), "error", text, f"python -m pip install dvc-{package}")
    text = _("{name}: {url} (not contacted; to compare: dvc status --cloud)", name=name, url=shown)
    return Finding(_("DVC remote"), "ok", text)
