"""Check that versions are stored on more than this machine."""

from __future__ import annotations

from pathlib import Path

from seodang.i18n import _


def check_remote(root: Path) -> list[str]:
    """Return advice if DVC has no default remote: the cache of this machine then has the only copy of the weights."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        if repo.config["core"].get("remote"):
            return []
    return ["  # " + _("no DVC remote: only this machine's cache has the weights; add one: dvc remote add -d NAME URL")]
