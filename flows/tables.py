"""Further artifacts of a flow run: pure functions from reports to rows and Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flows import reports
from flows.escaping import escape_markdown, shorten_value
from flows.reports import Report, format_value, render_table
from seodang.gate.differences import ScoreDifference, read_score_difference
from seodang.i18n import _
from seodang.reports.evaluation.comparison import Estimate
from seodang.reports.evaluation.task_scores import TaskScore

_PAGES: Final = (
    "artifacts/report/data_card",
    "artifacts/report/training",
    "artifacts/report/evaluation",
    "artifacts/validate/data_docs",
)
_COMPARED: Final = {"candidate", "reference", "difference", "low", "high"}


def build_source_rows(manifest: Report) -> list[dict[str, Any]]:
    """Return a row per source: name, licence, rows read and records written."""
    return [
        {
            _("source"): source.get("name"),
            _("licence"): format_value(source.get("licence")),
            _("rows read"): format_value(source.get("rows_read")),
            _("records written"): format_value(source.get("rows_written")),
        }
        for source in manifest.get("sources") or []
    ]


def build_funnel_rows(manifest: Report, validation: Report, preparation: Report) -> list[dict[str, Any]]:
    """Return what each step left of the rows, from the sources to the splits, with the reasons of what it left out."""
    read = sum(source.get("rows_read") or 0 for source in manifest.get("sources") or [])
    quarantined = validation.get("by_rule") or {}
    left_out = reports.label_left_out(preparation)
    steps = [
        (_("read from the sources"), read, {}),
        (_("records"), manifest.get("rows"), {}),
        (_("accepted"), validation.get("accepted"), quarantined),
        *((_("split {name}", name=name), rows, {}) for name, rows in (preparation.get("splits") or {}).items()),
        (_("left out of the splits"), sum(left_out.values()), left_out),
    ]
    return [
        {_("step"): step, _("count"): format_value(rows), _("reasons"): format_value(reasons)}
        for step, rows, reasons in steps
    ]


def build_score_rows(scores: Iterable[TaskScore]) -> list[dict[str, Any]]:
    """Return a row per task and language: scores of the base with its best prompt and of the candidate.

    Prefect's page shows about 700 pixels of a table, so what matters comes first.
    """
    return [
        {
            _("task"): score.task,
            _("language"): score.language,
            _("base"): format_value(score.base),
            _("tuned"): format_value(score.tuned),
            _("difference (interval)"): _format_estimate(score.difference),
            _("items"): score.items,
            _("metric"): score.metric,
            _("best prompt of the base"): score.prompt or format_value(None),
        }
        for score in scores
    ]


def _format_estimate(difference: Estimate | ScoreDifference | None) -> str:
    if difference is None:
        return str(format_value(None))
    text = str(format_value(difference.value))
    if difference.low is None or difference.high is None:  # a single item has none
        return text
    return f"{text} ({format_value([difference.low, difference.high])})"


def build_comparison_rows(verdict: Report) -> list[dict[str, Any]]:
    """Return a row per rule with a comparison: scores, difference and its confidence interval."""
    return [
        {
            _("metric"): format_value(result.get("metric")),
            _("group"): format_value(result.get("group") or None),
            _("against"): format_value(result.get("against")),
            _("reference score"): format_value(result["reference"]),
            _("candidate score"): format_value(result["candidate"]),
            _("difference (interval)"): _format_estimate(read_score_difference(result)),
            _("met"): format_value(result.get("passed")),
            _("tasks"): format_value(result.get("tasks")),
        }
        for result in verdict.get("results") or []
        if result.keys() >= _COMPARED
    ]


def render_page_commands(experiment: str | None) -> str:
    """Return the Markdown with the commands that fetch the pages of an experiment into a folder."""
    title = f"# {_('Pages')}"
    if experiment is None:
        return "\n\n".join([title, *(f"`{page}/index.html`" for page in _PAGES)])
    commands = [f"dvc get . {page} --rev {experiment} -o {experiment}/{page.rpartition('/')[2]}" for page in _PAGES]
    text = _("Run these in the project's folder, then open `index.html` in a browser:")
    return "\n\n".join([title, text, "```\n" + "\n".join(commands) + "\n```"])


def render_package(report: Report) -> str:
    """Return the Markdown of the packaged model."""
    parity = report.get("parity") or {}
    rows = [
        (_("model"), report.get("model_tag")),
        (_("bento"), report.get("bento_tag")),
        (_("largest difference of logits"), parity.get("max_logit_difference")),
    ]
    return "\n\n".join([f"# {_('Package')}", render_table((_("name"), _("value")), rows)])


def render_plan(run_name: str, lines: list[str], changes: Report, left_out: list[str]) -> str:
    """Return the Markdown of a dry run: stages, changed parameters, uncommitted files that the run would not use."""
    parts = [
        f"# {_('Plan of {run}', run=escape_markdown(run_name))}",
        *(f"- {escape_markdown(line)}" for line in lines),
    ]
    rows = [(name, shorten_value(old), shorten_value(new)) for name, (old, new) in changes.items()]
    parts += [f"## {_('Changed parameters')}", render_table((_("parameter"), _("revision"), _("run")), rows)]
    if left_out:
        parts += [f"## {_('Uncommitted files that the run does not use')}"]
        parts += ["\n".join(f"- {escape_markdown(name)}" for name in left_out)]
    return "\n\n".join(parts)
