"""Artifacts and messages of a flow run: pure functions from a stage's report to Markdown or table rows.

All texts are in the language of the terminal that serves the flow. A value that a report lacks is shown as "–". A field
without a heading is shown under its own name, so reports of an older or newer stage can be published too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flows.escaping import escape_markdown
from seodang.gate.differences import read_score_difference
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS
from seodang.i18n import N_, _, get_language
from seodang.reports.data_card.funnel import LEFT_OUT_LABELS

Report = Mapping[str, Any]

_ABSENT: Final = "–"
_LAST_LINES: Final = 10
_HEADINGS: Final = {
    "items": N_("items"),
    "name": N_("model"),
    "format": N_("prompt format"),
    "accuracy": N_("accuracy"),
    "exact_match": N_("exact match"),
    "chrf": N_("chrF"),
    "loss": N_("loss"),
    "eos_rate": N_("EOS rate"),
    "against": N_("against"),
    "test": N_("kind of test"),
    "metric": N_("metric"),
    "group": N_("group"),
    "margin": N_("margin"),
    "candidate": N_("candidate score"),
    "reference": N_("reference score"),
    "p_holm": N_("p (Holm)"),
    "passed": N_("met"),
    "confidence": N_("confidence"),
    "champion": N_("champion"),
    "difference": N_("difference"),
    "low": N_("lower bound"),
    "high": N_("upper bound"),
}
_COMPARISON_COLUMNS: Final = (  # more would not fit on a screen; the page of the evaluation has all
    *("against", "test", "metric", "group", "margin", "items"),
    *("candidate", "reference", "difference", "low", "high", "p_holm", "passed"),
)
_ROW_COUNTS: Final = {
    "rows": N_("received"),
    "accepted": N_("accepted"),
    "repaired": N_("repaired"),
    "warned": N_("warned"),
    "quarantined": N_("quarantined"),
}
_NOT_NUMBERS: Final = re.compile(r"^(schema|verdict|candidate|judgement|exam_reasons)$|sha256|fingerprint")
CANDIDATES: Final = {"tuned": N_("tuned model"), "aligned": N_("aligned model")}


def render_data_report(validation: Report, preparation: Report | None) -> str:
    """Return the Markdown of the data report: row counts, quarantined rows by rule, repairs, and the splits.

    Args:
        validation: Report of the stage `validate`.
        preparation: Report of the stage `prepare`; None before that stage has run in this flow run.
    """
    parts = [f"# {_('Data report')}", *_render_validation(validation)]
    if preparation is not None:
        parts += [f"## {_('Splits')}", _render_splits(preparation)]
    return "\n\n".join(parts)


def _render_validation(validation: Report) -> list[str]:
    by_rule, count = _("rule"), _("count")
    repairs = [*(validation.get("repairs") or {}).items(), *(validation.get("warnings") or {}).items()]
    counts = [(_(heading), validation.get(name)) for name, heading in _ROW_COUNTS.items()]
    dataset = [[row.get(name) for name in ("id", "of", "value", "bound")] for row in validation.get("dataset") or []]
    return [
        render_table((_("records"), count), counts),
        f"## {_('Quarantined by rule')}",
        render_table((by_rule, count), (validation.get("by_rule") or {}).items()),
        f"## {_('Repairs and warnings')}",
        render_table((by_rule, count), repairs),
        f"## {_('Complete data set')}",
        render_table((by_rule, _("scope"), _("value"), _("bound")), dataset),
    ]


def render_score_summary(report: Report) -> str:
    """Return the Markdown above the score table: the base with its best prompts, and the candidate."""
    best = report.get("best") or {}
    rows = [
        row
        for row in report.get("variants") or []
        if row["name"].partition("/")[0] not in best or row["name"] in best.values()
    ]
    shown = [{name: value for name, value in row.items() if name != "shots"} for row in rows]  # the name has them
    return f"**{_('Scores')}**\n\n{_render_plain_table(shown)}"


def render_verdict_report(verdict: Report) -> str:
    """Return the Markdown of the verdict, with its reasons and the numbers behind them."""
    numbers = {name: value for name, value in verdict.items() if not _NOT_NUMBERS.search(name) and _is_plain(value)}
    rows = [(_get_heading(name), value) for name, value in {**numbers, **(verdict.get("numbers") or {})}.items()]
    return "\n\n".join(
        [
            f"# {_format_heading(verdict)}",
            f"## {_('Reasons')}",
            render_reasons(_get_reasons(verdict)),
            f"## {_('Comparisons')}",
            _render_plain_table([_turn_differences(result) for result in verdict.get("results") or []]),
            f"## {_('Numbers')}",
            render_table((_("name"), _("value")), rows),
        ]
    )


def _format_heading(verdict: Report) -> str:
    """Return the verdict; after preference tuning there are two candidates, and the verdict is about one of them."""
    if "candidates" not in verdict:
        return _("Verdict: {verdict}", verdict=format_verdict(verdict))
    candidate = _(CANDIDATES[verdict["candidate"]])
    return _("Verdict on the {candidate}: {verdict}", candidate=candidate, verdict=format_verdict(verdict))


def render_reasons(reasons: Iterable[Report]) -> str:
    """Return a list of reasons with their outcomes, because Prefect cuts long cells of a table."""
    lines = [f"- **{_get_outcome(reason)}**: {escape_markdown(_get_text(reason))}" for reason in reasons]
    return "\n".join(lines) or _ABSENT


def _turn_differences(result: Report) -> dict[str, Any]:
    """Return a rule's result with the difference of the scores: a loss that falls has a minus sign."""
    shown = {name: result[name] for name in _COMPARISON_COLUMNS if name in result}
    if not {"candidate", "reference", "difference", "low", "high"} <= result.keys():
        return shown
    difference = read_score_difference(result)
    return {**shown, "difference": difference.value, "low": difference.low, "high": difference.high}


def format_verdict(verdict: Report) -> str:
    """Return the label of the verdict."""
    name = str(verdict.get("verdict"))
    return _(VERDICT_LABELS.get(name, name))


def get_state_name(verdict: Report) -> str:
    """Return the name of the completed state of a run whose model is not promoted."""
    return "Rejected" if verdict["verdict"] == "reject" else "Inconclusive"


def format_rejection(verdict: Report) -> str:
    """Return the message of a flow run that packages nothing: the rules that are not met, in one paragraph."""
    reasons = [_get_text(reason) for reason in _get_reasons(verdict) if reason.get("passed") is not True]
    message = _("the verdict is {verdict}, so nothing was packaged.", verdict=format_verdict(verdict))
    return " ".join([message, *reasons])


def format_failure(stage: str, lines: Sequence[str]) -> str:
    """Return why a stage failed: the message of Seodang in its output, else the last lines of `dvc repro`.

    DVC's own "failed to reproduce" after a message of Seodang adds nothing and is left out.
    """
    starts = [number for number, line in enumerate(lines) if line.startswith("seodang: ")]
    message_lines = lines[starts[-1] :] if starts else lines[-_LAST_LINES:]
    relevant_lines = [line for line in message_lines if not (starts and line.startswith("ERROR: failed to reproduce"))]
    return "\n".join([_("stage {stage} failed", stage=stage), *relevant_lines])


def find_stage_exit_code(lines: Iterable[str]) -> int | None:
    """Return the exit code of the stage's command. DVC exits with its own code and only prints this one."""
    codes = re.findall(r"^ERROR: failed to reproduce .*exited with (-?\d+)$", "\n".join(lines), re.MULTILINE)
    return int(codes[-1]) if codes else None


def render_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, or a dash when there are no rows."""
    body = ["| " + " | ".join(_format_cell(value) for value in row) + " |" for row in rows]
    if not body:
        return _ABSENT
    return "\n".join(["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings), *body])


def format_value(value: object) -> str | int:
    """Return a value for display: floats with three decimals, a pair of numbers as an interval."""
    match value:
        case None:
            return _ABSENT
        case bool():
            return _("yes") if value else _("no")
        case int():
            return value
        case float():
            return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
        case [int() | float() as low, int() | float() as high]:
            return f"{format_value(low)} … {format_value(high)}"
        case list() | tuple():
            return ", ".join(str(format_value(part)) for part in value) or _ABSENT
        case Mapping():
            return ", ".join(f"{name} {format_value(part)}" for name, part in value.items()) or _ABSENT
        case _:
            return str(value)


def label_left_out(preparation: Report) -> dict[str, int]:
    """Return how many records `prepare` left out, by reason, in the language of the terminal."""
    counts = (preparation.get("left_out") or {}).items()
    return {_(LEFT_OUT_LABELS.get(name, name)): count for name, count in counts if count}


def _render_splits(preparation: Report) -> str:
    languages = preparation.get("languages") or {}
    rows = [(name, count, languages.get(name)) for name, count in (preparation.get("splits") or {}).items()]
    left_out = [
        (_("left out: {reason}", reason=name), count, None) for name, count in label_left_out(preparation).items()
    ]
    return render_table((_("split"), _("count"), _("by language")), [*rows, *left_out])


def _render_plain_table(rows: Sequence[Report]) -> str:
    """Return a Markdown table of the plain values of `rows`, with a column for each name that occurs."""
    columns = _find_columns(rows)
    return render_table([_get_heading(name) for name in columns], ([row.get(name) for name in columns] for row in rows))


def _get_heading(name: str) -> str:
    return _(_HEADINGS.get(name, name))


def _find_columns(rows: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_plain(value)))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _get_reasons(verdict: Report) -> Sequence[Report]:
    return verdict.get("reasons") or []


def _get_outcome(reason: Report) -> str:
    """Return the outcome of a rule or a threshold; a reason that only informs has none."""
    return _("note") if reason.get("is_information") else _(OUTCOME_LABELS.get(reason.get("passed"), _ABSENT))


def _get_text(reason: Report) -> str:
    """Return the text of a reason in the language of the terminal."""
    return str(reason.get(get_language()))


def _format_cell(value: object) -> str:
    """Return the text of a cell: text from data must neither break the table nor become markup."""
    return escape_markdown(str(format_value(value)))
