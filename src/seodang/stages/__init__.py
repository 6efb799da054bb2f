"""The stages in pipeline order. A stage is a function whose signature is its declaration.

run(*, <sections of params.yaml that it reads>, paths) -> Report

The dispatcher binds sections by the names of the arguments; an argument annotated with FromSection is one value of a
section. A test compares the arguments with dvc.yaml, so a stage cannot read a parameter that dvc.yaml does not name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from seodang.config import Params
from seodang.paths import Paths

STAGES = (
    "inputs",
    "base",
    "ingest",
    "validate",
    "prepare",
    "preflight",
    "train",
    "align",
    "evaluate",
    "gate",
    "report",
    "package",
)

Report = Mapping[str, Any]
Stage = Callable[..., Report]


def load_stage(name: str) -> Stage:
    """Return the stage's function. Only its own module is imported: stages are heavy."""
    stage: Stage = importlib.import_module(f"{__name__}.{name}").run
    return stage


@dataclass(frozen=True, slots=True)
class FromSection:
    """Annotation of a stage's argument that is one value of another section: Annotated[int, FromSection("train")].

    A stage that reads only one value of a section does not run again when the others change.
    """

    section: str


def list_parameters(stage: Stage) -> list[str]:
    """Return what a stage reads of params.yaml, in the order of its arguments: sections, and values as "train.rank"."""
    return list(_map_arguments(stage).values())


def list_sections(stage: Stage) -> list[str]:
    """Return the names of the params.yaml sections that a stage reads completely."""
    return [name for name in list_parameters(stage) if "." not in name]


def _map_arguments(stage: Stage) -> dict[str, str]:
    """Return the parameter of each argument of a stage."""
    parameters = {}
    for name, parameter in inspect.signature(stage, eval_str=True).parameters.items():
        origins = [each for each in getattr(parameter.annotation, "__metadata__", ()) if isinstance(each, FromSection)]
        if name != "paths":
            parameters[name] = f"{origins[0].section}.{name}" if origins else name
    return parameters


def run_stage(name: str, params: Params, paths: Paths) -> Report:
    """Run a stage with exactly the parameters that its signature names, and return its report."""
    stage = load_stage(name)
    return stage(**_bind_arguments(stage, params), paths=paths)


def read_parameters(name: str, params: Params) -> dict[str, Any]:
    """Return the parameters that a stage reads, as JSON values by argument."""
    arguments = _bind_arguments(load_stage(name), params)
    return {
        argument: getattr(value, "model_dump", lambda value=value: value)() for argument, value in arguments.items()
    }


def _bind_arguments(stage: Stage, params: Params) -> dict[str, Any]:
    return {argument: attrgetter(path)(params) for argument, path in _map_arguments(stage).items()}
