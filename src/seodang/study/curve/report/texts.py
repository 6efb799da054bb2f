"""Labels, table rows and sentences of a learning curve, for the terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.evaluation.aggregate import LETTERS, MAJORITY
from seodang.i18n import N_, Message
from seodang.study.curve.results import BASE, average_cost

GROUPS: Final = {"held_in": N_("held-in task"), "held_out": N_("held-out tasks")}
METHODS: Final = {
    "single": N_("single task"),
    "mix": N_("instruction mix"),
    LETTERS: N_("letter n-grams"),
    BASE: N_("base, best prompt"),
    MAJORITY: N_("most frequent label"),
}
HEADINGS: Final = (
    N_("method"),
    N_("records"),
    N_("score [interval]"),
    N_("seeds"),
    N_("to the best prompt"),
    N_("to the single task"),
    N_("training tokens"),
    N_("training s"),
)
NOTE: Final = N_(
    "Records: of the task; in the mix, + others. All points are scored on the same test items. Intervals: {confidence:.0%}, "
    "bootstrap over items. They do not cover other training records or another order of training. The seeds show these: "
    "the lowest and the highest score, and a small circle for each seed. "
    "The base's prompt is the best one on these items, which favours the base. "
    "The letter n-grams are a logistic regression on TF-IDF of character n-grams, trained on the same records. "
    "Training tokens and seconds are means over the seeds and include all epochs."
)
_TRENDS: Final[dict[bool | None, str]] = {
    True: N_(
        "{method}, records {first:,} to {last:,}: still rising, {rise:+.3f} per doubling [{low:+.3f}, {high:+.3f}]"
    ),
    False: N_("{method}, records {first:,} to {last:,}: falling, {rise:+.3f} per doubling [{low:+.3f}, {high:+.3f}]"),
    None: N_(
        "{method}, records {first:,} to {last:,}: neither a rise nor a fall is shown, {rise:+.3f} per doubling"
        " [{low:+.3f}, {high:+.3f}]"
    ),
}


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of the table of a group."""

    method: str
    """A key of METHODS."""
    detail: str
    """Name of the prompt, or ""."""
    values: tuple[str, ...]
    """Cells after the method."""


def build_rows(report: Mapping[str, Any], group: str) -> list[TableRow]:
    """Return the points of a group, then its horizontal lines."""
    points = [point for point in report["points"] if point["group"] == group]
    lines = [line for line in report["lines"] if line["group"] == group]
    return [TableRow(point["method"], "", _format_point(point, report["models"])) for point in points] + [
        TableRow(
            line["method"],
            line["variant"] if line["method"] == BASE else "",
            ("", format_estimate(line["score"]), "", "", "", "", ""),
        )
        for line in lines
    ]


def _format_point(point: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    row = [model for model in models if (model["variant"], model["asked"]) == (point["method"], point["asked"])]
    others = f" + {row[0]['other_records']:,}" if row and row[0]["other_records"] else ""
    tokens, seconds = average_cost(row, "tokens"), average_cost(row, "elapsed_seconds")
    return (
        f"{point['records']:,}{others}",
        format_estimate(point["score"]),
        format_seeds(point["seed_scores"]),
        format_difference(point["to_base"]),
        "" if point["to_single"] is None else format_difference(point["to_single"]),
        "" if tokens is None else f"{tokens:,.0f}",
        "" if seconds is None else f"{seconds:,.0f}",
    )


def format_seeds(scores: Sequence[float]) -> str:
    """Return the lowest and the highest score of the seeds; "" for a single seed."""
    return f"{min(scores):.3f}–{max(scores):.3f}" if len(scores) > 1 else ""


def format_estimate(estimate: Mapping[str, float]) -> str:
    """Return a score with its interval."""
    return f"{estimate['value']:.3f} [{max(0.0, estimate['low']):.3f}, {min(1.0, estimate['high']):.3f}]"


def format_difference(estimate: Mapping[str, float]) -> str:
    """Return a difference with its interval."""
    return f"{estimate['value']:+.3f} [{estimate['low']:+.3f}, {estimate['high']:+.3f}]"


def describe_trends(report: Mapping[str, Any], group: str) -> list[Message]:
    """Return a sentence on each tuned curve's last two points."""
    return [
        Message(
            _TRENDS[trend["is_rising"]],
            {
                "method": Message(METHODS[trend["method"]]),
                "first": trend["first"],
                "last": trend["last"],
                "rise": trend["per_doubling"]["value"],
                "low": trend["per_doubling"]["low"],
                "high": trend["per_doubling"]["high"],
            },
        )
        for trend in report["trends"]
        if trend["group"] == group
    ]


def describe_progress(report: Mapping[str, Any]) -> Message | None:
    """Return a warning that models are missing yet; None for a complete study."""
    missing = report["planned_models"] - len(report["models"])
    if not missing:
        return None
    return Message(
        "unfinished: {count} model is not trained yet",
        plural="unfinished: {count} models are not trained yet",
        count=missing,
    )


def list_headings(report: Mapping[str, Any], group: str) -> list[int]:
    """Return the indices of the columns that have a value in some row, the method's first."""
    rows = build_rows(report, group)
    return [0, *(index + 1 for index in range(len(HEADINGS) - 1) if any(row.values[index] for row in rows))]
