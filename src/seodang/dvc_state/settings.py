"""DVC's settings of a project, and the folder of its cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seodang.errors import WorkspaceError
from seodang.i18n import _


def read_dvc_settings(root: Path) -> Mapping[str, Any]:
    """Return DVC's settings by section.

    Raises:
        WorkspaceError: If a file of settings is damaged.
        RuntimeError: If the home folder is unknown, and with it the settings of the user.
    """
    from dvc.config import Config, ConfigError

    try:
        settings: Mapping[str, Any] = Config(str(root / ".dvc"), validate=False)
    except ConfigError as error:
        raise WorkspaceError(
            _(
                "DVC cannot read its settings ({error}); correct .dvc/config or .dvc/config.local, or restore it: git"
                " checkout .dvc/config",
                error=" ".join(str(error).split()),
            )
        ) from error
    return settings


def get_cache_folder(root: Path) -> Path:
    """Return the folder of DVC's cache, in which DVC stores what a stage has written.

    Raises:
        WorkspaceError: If a file of settings is damaged.
    """
    try:
        setting = read_dvc_settings(root)["cache"].get("dir") if (root / ".dvc").is_dir() else None
    except RuntimeError:
        setting = None
    return root / ".dvc" / (setting or "cache")  # DVC takes a relative setting from the folder of its file
