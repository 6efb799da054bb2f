"""A verdict on the terminal: one line per rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from seodang.cli.terminal import fits_table, mark, print_lines, print_table
from seodang.gate.differences import read_score_difference
from seodang.gate.rules import describe_subject
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS
from seodang.i18n import _, get_language
from seodang.metric_registry import format_metric

_PASSED: Final = {"promote": True, "reject": False, "inconclusive": None}


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print the verdict and a table of its rules.

    Args:
        verdict: As in verdict.json: `results` of the rules; `reasons` about the exam, then those of the rules in the
            same order, then those of thresholds.
    """
    name = str(verdict["verdict"])
    results = verdict["results"]
    print_lines(["", _("verdict: {verdict}", verdict=_(VERDICT_LABELS[name]))])
    first = verdict.get("exam_reasons", 0)  # what changed since the champion was promoted comes first
    _print_reasons(verdict["reasons"][:first])
    rows = [_format_result(result) for result in results]
    headings = (_("metric"), _("against"), _("scores"), _("difference [interval]"), "n", "")
    if fits_table(headings, rows):
        print_table(headings, rows, right=(4,))
    else:
        print_table(("", "", ""), [line for row in [headings, *rows] for line in _split_row(row)])
    _print_reasons(verdict["reasons"][first + len(results) :])  # thresholds, and rules whose reference does not exist


def _split_row(row: Sequence[str | Text]) -> list[tuple[str | Text, ...]]:
    """Return a row in two lines of three cells: long names would wrap in one line."""
    metric, against, scores, difference, count, outcome = row
    return [(metric, against, outcome), (f"  {scores}", f"  {difference}", count)]


def _print_reasons(reasons: Sequence[Mapping[str, Any]]) -> None:
    print_table(("", ""), [(_mark_reason(reason), reason[get_language()]) for reason in reasons])


def _format_result(result: Mapping[str, Any]) -> tuple[str | Text, ...]:
    difference = read_score_difference(result)
    metric = str(result["metric"])
    low, high = (None if end is None else format_metric(metric, end) for end in (difference.low, difference.high))
    sign = "+" if difference.value >= 0 else ""
    interval = "" if low is None else f" [{low}, {high}]"
    return (
        describe_subject(metric, result["tasks"], result["group"]),
        str(result["against"]),
        f"{format_metric(metric, result['reference'])} -> {format_metric(metric, result['candidate'])}",
        f"{sign}{format_metric(metric, difference.value)}{interval}",
        f"n={result['items']}",
        _mark_status(result["passed"]),
    )


def _mark_status(passed: bool | None) -> Text:
    return mark(_(OUTCOME_LABELS[passed]), passed)


def _mark_reason(reason: Mapping[str, Any]) -> str | Text:
    """Return the outcome; a reason that only informs has none."""
    return _("note") if reason.get("is_information") else _mark_status(reason["passed"])
