"""The morphological analyzer of Korean, loaded once per process."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi


@cache
def load_analyzer() -> Kiwi:
    """Return the analyzer. It takes about 2.5 s of CPU time and 510 MB, once per process."""
    from kiwipiepy import Kiwi

    return Kiwi()


@cache
def has_analyzer() -> bool:
    """Return whether the analyzer and its model are installed; nothing is loaded."""
    return all(find_spec(name) is not None for name in ("kiwipiepy", "kiwipiepy_model"))
