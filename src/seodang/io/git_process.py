"""Run git, and describe why it fails."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.os_errors import describe_os_text, get_owner


class GitMissing(RegistryError):
    """There is no program git."""


class UntrustedRepository(RegistryError):
    """The repository belongs to another user, so git refuses to read it ("dubious ownership")."""


def run_git(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the output of a git command.

    Args:
        root: Working folder.
        arguments: Of the command.
        environment: Variables beside those of this process.

    Raises:
        RegistryError: With git's own message.
    """
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},  # its errors in English, its names in UTF-8
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=True,
        ).stdout.rstrip()
    except FileNotFoundError as error:
        raise GitMissing(_("git is not installed, and the registry consists of git tags; install git")) from error
    except subprocess.CalledProcessError as error:
        if "dubious ownership" in error.stderr:
            raise UntrustedRepository(describe_ownership(root)) from error
        raise RegistryError(
            _(
                "git {arguments} failed: {error}",
                arguments=" ".join(arguments[:3]),
                error=describe_os_text(error.stderr) or error.stderr.strip() or error.stdout.strip(),
            )
        ) from error


def describe_ownership(root: Path) -> str:
    """Return the message for a repository of another user."""
    return _(
        "{folder} belongs to {owner}, and git does not trust repositories of others; if you do, run: git config --global"
        " --add safe.directory {quoted}",
        folder=root,
        owner=get_owner(root),
        quoted=shlex.quote(str(root)),
    )
