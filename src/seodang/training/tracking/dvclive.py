"""Log the curves to dvclive's files by optimizer step."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from dvclive import Live
from scmrepo.exceptions import SCMError

from seodang.i18n import _
from seodang.training.tracking.curve_callback import CurveCallback

logger = logging.getLogger(__name__)


class _LiveWithoutGit(Live):  # type: ignore[misc]
    """Writes the same files without git; a test checks that dvclive still has the overridden method."""

    def _init_dvc(self) -> None:
        self._dvc_file = "dvc.yaml"


def open_live(folder: Path) -> Live:
    """Return dvclive's logger on an emptied folder; a repository without a commit is logged without git."""
    settings = {"dir": str(folder), "save_dvc_exp": False, "dvcyaml": None, "report": None}
    try:
        return Live(**settings)
    except SCMError as error:
        logger.warning(
            _(
                "the curves have no git revision ({error}); make a first commit, so that dvc exp can compare runs",
                error=error,
            )
        )
        return _LiveWithoutGit(**settings)


class LiveCurves(CurveCallback):
    """Logs the curves to dvclive.

    The callback of transformers counts its calls instead of optimizer steps, so that runs with different logging
    intervals cannot be compared. Nor does it show the steps before a checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: Live | None = None
        self._logged_points: set[tuple[int, str]] = set()

    def _open(self) -> None:
        self._live = open_live(self._folder)
        self._logged_points.clear()

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        if self._live is None:
            return
        self._live.step = step
        for name, value in values.items():
            if (step, name) not in self._logged_points:  # the last evaluation may run twice
                self._logged_points.add((step, name))
                self._live.log_metric(name, value)
        self._live.make_summary()

    def close(self) -> None:
        """Close dvclive's run."""
        if self._live is not None:
            self._live.end()
            self._live = None
