"""The Prefect flows: a module and a function each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from prefect import Flow

UNWATCHED: Final = "end-dead-runs"  # a run of it is not one that it watches
FLOWS: Final = (
    *("instruction-tuning", "data-only", "evaluate-only", "generate-data", "release", "rollback", "study"),
    "watch-sources",
    UNWATCHED,
)


def load_flow(name: str) -> Flow[..., Any]:
    """Return a flow by name. Prefect is imported here, after flows/serve.py has set its environment."""
    module = name.replace("-", "_")
    flow: Flow[..., Any] = getattr(importlib.import_module(f"flows.{module}"), module)
    return flow
