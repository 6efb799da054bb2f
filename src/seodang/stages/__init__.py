"""The stages in pipeline order. A stage is a function whose signature is its declaration.

run(*, <sections of params.yaml that it reads>, paths) -> Report

The dispatcher binds sections by the names of the arguments. A test compares the arguments with dvc.yaml, so a stage
cannot read a parameter that dvc.yaml does not name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from seodang.config import Params
from seodang.paths import Paths

STAGES = ("inputs", "base", "ingest", "validate", "prepare", "train", "evaluate", "gate", "report", "package")

Report = Mapping[str, Any]
Stage = Callable[..., Report]


def load_stage(name: str) -> Stage:
    """Return the stage's function. Only its own module is imported: stages are heavy."""
    stage: Stage = importlib.import_module(f"{__name__}.{name}").run
    return stage


def list_sections(stage: Stage) -> list[str]:
    """Return the names of the params.yaml sections in the stage's signature."""
    return [name for name in inspect.signature(stage).parameters if name != "paths"]


def run_stage(name: str, params: Params, paths: Paths) -> Report:
    """Run a stage with exactly the sections that its signature names, and return its report."""
    stage = load_stage(name)
    sections = {section: getattr(params, section) for section in list_sections(stage)}
    return stage(**sections, paths=paths)
