"""What a run would do: the stages that DVC would run, and those that may follow from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from seodang.config.yaml_file import read_yaml
from seodang.errors import WorkspaceError
from seodang.i18n import _
from seodang.paths import Paths


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a run."""

    changed: tuple[str, ...]
    """DVC runs them, or takes their results from its cache."""
    dependent: tuple[str, ...]
    """They run if a stage before them gives another result."""
    unchanged: tuple[str, ...]


def parse_plan(lines: Sequence[str], stages: Sequence[str], paths: Paths) -> Plan:
    """Return the plan from the output of `dvc status --json`, called after `dvc checkout`.

    `dvc repro --dry` would fail at the first stage whose inputs do not exist yet.

    Args:
        lines: Of DVC; one of them is the JSON.
        stages: Of the run, in order.
        paths: Of the project with dvc.yaml.
    """
    status = json.loads(next((line for line in reversed(lines) if line.startswith("{")), "{}"))
    changed = tuple(name for name in stages if name in status)
    dependent = _find_dependent_stages(changed, stages, read_yaml(paths.dvc_yaml).get("stages") or {})
    unchanged = tuple(name for name in stages if name not in changed and name not in dependent)
    return Plan(changed, dependent, unchanged)


def _find_dependent_stages(
    changed: Iterable[str], stages: Sequence[str], definitions: Mapping[str, Any]
) -> tuple[str, ...]:
    affected = set(changed)
    for name in stages:  # in pipeline order, so one pass is enough
        needed = _list_paths(definitions.get(name, {}), ("deps",))
        made = {
            path for other in affected for path in _list_paths(definitions.get(other, {}), ("outs", "metrics", "plots"))
        }
        if any(_overlap(one, other) for one in needed for other in made):
            affected.add(name)
    return tuple(name for name in stages if name in affected and name not in set(changed))


def check_inputs(stages: Sequence[str], paths: Paths) -> None:
    """Check that what a run takes from stages before it is there: in a checkout nothing is that was never computed.

    Args:
        stages: Of the run, in order.
        paths: Of the project with dvc.yaml, after `dvc checkout`.

    Raises:
        WorkspaceError: With the stages whose outputs are missing.
    """
    definitions = read_yaml(paths.dvc_yaml).get("stages") or {}
    needed = [path for name in stages for path in _list_paths(definitions.get(name, {}), ("deps",))]
    missing = [
        other
        for other, definition in definitions.items()
        if other not in stages
        and any(
            not (paths.root / made).exists()
            for made in _list_paths(definition, ("outs",))
            if any(_overlap(one, made) for one in needed)
        )
    ]
    if missing:
        raise WorkspaceError(
            _(
                "{stage} needs the results of {missing}, which this revision does not have: set revision to an experiment that"
                " has them (dvc exp show lists them), or run the flow instruction-tuning",
                stage=stages[0],
                missing=", ".join(missing),
            )
        )


def _list_paths(definition: Mapping[str, Any], kinds: Iterable[str]) -> list[PurePosixPath]:
    items = [item for kind in kinds for item in definition.get(kind) or []]
    return [PurePosixPath(item if isinstance(item, str) else next(iter(item))) for item in items]


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one == other or one in other.parents or other in one.parents


def describe_plan(plan: Plan) -> list[str]:
    """Return the lines of a plan for people."""
    rows = (
        (_("DVC runs these, or takes their results from its cache:"), plan.changed),
        (_("These run if a stage before them gives another result:"), plan.dependent),
        (_("Unchanged:"), plan.unchanged),
    )
    return [f"{title} {', '.join(names)}" for title, names in rows if names]
