"""Read experiments from `dvc exp show`: scores by the gate's rules, verdict, parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.registry.git import describe_dvc_failure

WORKSPACE: Final = "workspace"
_GATE, _EVALUATE, _TRAIN = "gate/metrics.json", "evaluate/metrics.json", "train/live/metrics.json"
_PARAMS: Final = ("defaults.yaml", "params.yaml")  # the second one is laid over the first
_SHORT: Final = 7  # digits of a commit without a name

Subject = tuple[str, str]
"""A metric, and the tasks or the language that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A commit, the workspace or an experiment of DVC."""

    name: str
    revision: str
    state: str | None
    """Of an experiment in DVC's queue: queued, running, failed; else None."""
    verdict: str | None
    items: str | None
    """Fingerprint of the items that it was scored on."""
    scores: Mapping[Subject, float]
    params: Mapping[str, Any]
    """By dotted name."""


def read_experiments(root: Path, names: Sequence[str]) -> list[Experiment]:
    """Return the named experiments; without names HEAD, the workspace and every experiment that DVC lists.

    Args:
        root: Of the project.
        names: Of experiments, branches, tags, commits, or "workspace".

    Raises:
        RegistryError: If DVC cannot list them, or a name is unknown.
    """
    listed = _list_experiments(_run_exp_show(root))
    head = next((one for one in listed if one.name != WORKSPACE), None)  # the reference of the differences
    if not names:
        return sorted(listed, key=lambda one: one is not head)
    missing = [name for name in names if _find(listed, name) is None]
    named = {name: _read_revision(root, name, listed) for name in missing}
    return [_find(listed, name) or named[name] for name in names]


def _find(experiments: Sequence[Experiment], name: str) -> Experiment | None:
    return next(
        (one for one in experiments if one.name == name or (len(name) >= 4 and one.revision.startswith(name))), None
    )


def _read_revision(root: Path, name: str, listed: Sequence[Experiment]) -> Experiment:
    """Return a commit that is not among the experiments of HEAD."""
    try:
        states = _run_exp_show(root, "--rev", name, "--hide-workspace")
    except RegistryError as error:
        known = ", ".join(one.name for one in listed)
        raise RegistryError(
            _("there is no experiment, branch, tag or commit {name}; there are: {known}", name=name, known=known)
        ) from error
    (state, *_experiments) = states
    return _read_state(state, name, None)


def _run_exp_show(root: Path, *options: str) -> list[dict[str, Any]]:
    """Return what `dvc exp show --json` prints."""
    command = [str(Path(sys.executable).parent / "dvc"), "exp", "show", "--json", *options]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RegistryError(_("dvc exp show failed: {error}", error=describe_dvc_failure(root, done.stderr)))
    states: list[dict[str, Any]] = json.loads(done.stdout)
    return states


def _list_experiments(states: Sequence[Mapping[str, Any]]) -> list[Experiment]:
    return [experiment for state in states for experiment in _iter_state(state)]


def _iter_state(state: Mapping[str, Any]) -> Iterator[Experiment]:
    """Yield a commit, then the experiments that start from it."""
    yield _read_state(state, state["name"] or state["rev"], None)
    for experiment in state["experiments"] or ():
        executor = (experiment["executor"] or {}).get("state")
        newest = experiment["revs"][0]
        yield _read_state(newest, experiment["name"] or newest["name"] or newest["rev"], executor)


def _read_state(state: Mapping[str, Any], name: str, executor: str | None) -> Experiment:
    data = state["data"] or {}
    metrics = data.get("metrics") or {}
    gate, evaluation, training = (_get_content(metrics, file) for file in (_GATE, _EVALUATE, _TRAIN))
    return Experiment(
        name=name[:_SHORT] if name == state["rev"] and name != WORKSPACE else name,
        revision=state["rev"],
        state=None if executor in (None, "success") else executor,
        verdict=gate.get("verdict"),
        items=gate.get("items"),
        scores=_read_scores(gate, evaluation, training),
        params=_read_params(data.get("params") or {}),
    )


def _get_content(files: Mapping[str, Any], ending: str) -> Mapping[str, Any]:
    """Return the content of a file; empty if it is not there or could not be read."""
    entry: Mapping[str, Any] = next((entry for name, entry in files.items() if name.endswith(ending)), {})
    content: Mapping[str, Any] = entry.get("data") or {}
    return content


def _read_scores(
    gate: Mapping[str, Any], evaluation: Mapping[str, Any], training: Mapping[str, Any]
) -> dict[Subject, float]:
    """Return the scores of the rules; of an experiment that ended before the gate, the means over all test items."""
    scores: dict[Subject, float] = {}
    for metric, values in (gate.get("scores") or {}).items():
        scores |= {(metric, subject): float(value) for subject, value in values.items()}
    if not scores:
        tuned = {metric: values.get("tuned") for metric, values in evaluation.items() if isinstance(values, Mapping)}
        scores = {(metric, "all tasks"): float(value) for metric, value in tuned.items() if value is not None}
    if (loss := training.get("validation_loss")) is not None:
        scores[("validation_loss", "")] = float(loss)
    return scores


def _read_params(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters by dotted name, those of the project laid over the defaults."""
    params: dict[str, Any] = {}
    for ending in _PARAMS:
        params |= dict(_flatten(_get_content(files, ending)))
    return params


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
