"""Artifacts about preference tuning: pure functions from reports to Markdown, in the language of the terminal."""

from __future__ import annotations

from dataclasses import asdict

from flows.escaping import escape_markdown
from flows.reports import CANDIDATES, Report, format_value, format_verdict, render_reasons, render_table
from seodang.gate.alignment import BoundCheck
from seodang.gate.verdict import OUTCOME_LABELS
from seodang.i18n import _
from seodang.reports.training.alignment import AlignmentPageData, Estimated, Figure


def render_alignment(page: AlignmentPageData) -> str:
    """Return the Markdown of preference tuning: bounded figures beside their bounds, then those before and after."""
    bounds = (_("figure"), _("value (interval)"), _("bounds"), _("outcome"))
    figures = (_("figure"), _("tuned model"), _("aligned model"), _("change or comparison"))
    parts = [
        f"# {_('Preference tuning: {method}', method=escape_markdown(str(page.report['method'])))}",
        f"## {_('Bounds of the gate')}",
        render_table(bounds, map(_build_bound_row, page.checks))
        if page.checks
        else render_reasons(map(asdict, page.reasons)),
    ]
    tables = (
        (_("Held-out pairs"), page.figures),
        (_("Held-out thumbs"), page.thumb_figures),
        (_("Rewards"), page.reward_figures),
    )
    for title, rows in tables:
        if rows:
            parts += [f"## {title}", render_table(figures, map(_build_figure_row, rows))]
    return "\n\n".join(parts)


def _build_bound_row(check: BoundCheck) -> list[str]:
    value = _format_figure(check.figure)
    return [_(check.label), value, str(check.describe_bounds()), _(OUTCOME_LABELS[check.passed])]


def _build_figure_row(row: Figure) -> list[str]:
    return [_(row.title), *(_format_figure(each) for each in (row.tuned, row.aligned, row.change))]


def _format_figure(values: Estimated | None) -> str:
    if values is None:
        return str(format_value(None))
    text = str(format_value(values["value"]))
    if values["low"] is None or values["high"] is None:
        return text
    return f"{text} ({format_value([values['low'], values['high']])})"


def render_candidates(verdict: Report) -> str:
    """Return the Markdown of both verdicts after preference tuning, with the reasons about the other candidate.

    It is empty for a verdict with one candidate.
    """
    candidates = verdict.get("candidates") or {}
    rows = [(_(CANDIDATES[name]), format_verdict(each)) for name, each in candidates.items()]
    parts = [f"## {_('Candidates')}", render_table((_("candidate"), _("verdict")), rows)] if rows else []
    for name, each in candidates.items():
        if name != verdict["candidate"]:
            title = _("Reasons of the verdict on the {candidate}", candidate=_(CANDIDATES[name]))
            parts += [f"### {title}", render_reasons(each["reasons"])]
    return "\n\n".join(parts)
