"""The table of a comparison: a row per metric, a column per experiment, differences to the first one with scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.metric_registry import format_metric, get_direction
from seodang.study.comparison.experiments import Experiment, Subject


@dataclass(frozen=True, slots=True)
class Cell:
    """A score of an experiment."""

    score: float | None
    difference: float | None
    """Score minus that of the reference, with the sign of this subtraction: a lower loss has a negative one."""
    better: bool | None
    """None if the difference is shown as 0, or if it is not known which direction is better."""


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one metric."""

    metric: str
    subject: str
    cells: list[Cell]

    @property
    def label(self) -> str:
        """Return the metric with what it is about."""
        return " ".join(filter(None, (self.metric, "" if self.subject == "all" else self.subject)))

    def format_score(self, value: float) -> str:
        """Return a score as the terminal and the page show it."""
        return format_metric("loss" if self.metric == "validation_loss" else self.metric, value)

    def format_difference(self, value: float) -> str:
        """Return a difference with its sign."""
        text = self.format_score(abs(value))
        return f"{'-' if value < 0 else '+'}{text}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Experiments side by side."""

    experiments: list[Experiment]
    reference: Experiment | None
    """The first one with scores; differences are those to it."""
    rows: list[Row]
    params: Mapping[str, list[str]]
    """Parameters that differ between the experiments, with the value of each."""

    @property
    def others(self) -> list[str]:
        """Return the experiments that were scored on other items than the reference."""
        return [one.name for one in self.experiments if not _has_same_items(one, self.reference)]


def compare_experiments(experiments: Sequence[Experiment]) -> Comparison:
    """Return the table of the experiments."""
    reference = next((one for one in experiments if one.scores), None)
    subjects = dict.fromkeys(subject for one in experiments for subject in one.scores)
    return Comparison(
        list(experiments),
        reference,
        [
            Row(metric, about, [_build_cell((metric, about), one, reference) for one in experiments])
            for metric, about in subjects
        ],
        _list_changed_params(experiments),
    )


def _build_cell(subject: Subject, one: Experiment, reference: Experiment | None) -> Cell:
    score = one.scores.get(subject)
    other = None if reference is None or one is reference else reference.scores.get(subject)
    is_comparable = subject[0] == "validation_loss" or _has_same_items(one, reference)
    if score is None or other is None or not is_comparable:
        return Cell(score, None, None)
    difference = score - other
    direction = False if subject[0] == "validation_loss" else get_direction(subject[0])
    row = Row(*subject, [])
    is_shown = row.format_difference(difference).strip("+-0.") != ""
    return Cell(score, difference, (difference > 0) == direction if direction is not None and is_shown else None)


def _has_same_items(one: Experiment, reference: Experiment | None) -> bool:
    return reference is None or None in (one.items, reference.items) or one.items == reference.items


def _list_changed_params(experiments: Sequence[Experiment]) -> dict[str, list[str]]:
    known = [one for one in experiments if one.params]
    names = dict.fromkeys(name for one in known for name in one.params)
    values = {name: [_format_value(one, name) for one in experiments] for name in names}
    return {name: row for name, row in values.items() if len({_format_value(one, name) for one in known}) > 1}


def _format_value(one: Experiment, name: str) -> str:
    if name not in one.params:
        return "-"
    value = one.params[name]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def serialize_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as one JSON object."""
    return {
        "reference": comparison.reference.name if comparison.reference else None,
        "experiments": [
            {
                "name": one.name,
                "revision": one.revision,
                "state": one.state,
                "verdict": one.verdict,
                "items": one.items,
                "params": {name: one.params.get(name) for name in comparison.params},
                "scores": [
                    {
                        "metric": row.metric,
                        "subject": row.subject,
                        "score": row.cells[index].score,
                        "difference": row.cells[index].difference,
                        "better": row.cells[index].better,
                    }
                    for row in comparison.rows
                ],
            }
            for index, one in enumerate(comparison.experiments)
        ],
    }
