"""Keep TRL from importing trackers that nobody uses: it imports each that is installed, which takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

_TRACKERS: Final = ("mlflow", "wandb")


@contextmanager
def hide_unused_trackers(used: Sequence[str]) -> Iterator[None]:
    """Let an import inside the block find no tracker but those in use and those that are imported already.

    Args:
        used: Names as in train.report_to.
    """
    hidden = [name for name in _TRACKERS if name not in used and name not in sys.modules]
    modules: dict[str, Any] = sys.modules  # None stands for a module that cannot be imported
    modules |= dict.fromkeys(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
