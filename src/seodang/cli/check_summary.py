"""The summary of `seodang check` on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.cli.check_korean import print_korean
from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _, get_language, ngettext

if TYPE_CHECKING:
    from seodang.validation.check_files import CheckResult

_MAX_RULES = 12  # rules listed on the terminal


def print_summary(result: CheckResult, report: Path | None) -> None:
    """Print the counts, the violated rules, the ignored keys and the data set."""
    from seodang.validation.ignored_texts import list_ignored_scores, list_ignored_texts, list_ignored_verdicts

    counts, content = result.summary.build_counts(), result.to_dict()
    print_lines(_format_file(result, file, formats) for file, formats in result.formats.items())
    print_lines(_("{file}: a test or validation split, never trained on", file=file) for file in result.held_out)
    print_lines(
        [
            _(
                "rows {rows:,} = accepted {accepted:,} (repaired {repaired:,}, warned {warned:,}) "
                "+ quarantined {quarantined:,}",
                **counts,
            )
        ]
    )
    for heading, rules in (
        (_("quarantined"), content["by_rule"]),
        (_("warnings"), content["warnings"]),
        (_("repairs"), content["repairs"]),
    ):
        if rules:
            print_lines([f"{heading}:"])
            print_table(("", "", ""), _list_rules(rules, content["texts"]), right=(0,))
    print_lines(_format_ignored_keys(content["ignored_keys"]))
    print_lines(list_ignored_texts(result.ignored_keys))
    print_lines(list_ignored_scores(result.ignored_keys))
    print_lines(list_ignored_verdicts(result.ignored_keys))
    print_korean(content["korean"])
    print_lines(_format_dataset(content["dataset"]))
    if report:
        print_lines([_("report: {report} (accepted.jsonl, quarantine.jsonl, data_docs/index.html)", report=report)])


def _format_file(result: CheckResult, file: str, formats: list[str]) -> str:
    """Return the formats of a file, its encoding if it is not UTF-8, and the sheets of a workbook."""
    details = result.details[file].describe() if file in result.details else ""
    return f"{file}: {', '.join(formats)}" + (f" ({details})" if details else "")


def _list_rules(rules: dict[str, int], texts: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    reason = f"reason_{get_language()}"
    return [(f"  {count:,}", id, texts.get(id, {}).get(reason, "")) for id, count in list(rules.items())[:_MAX_RULES]]


def _format_ignored_keys(keys: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for each of the most frequent keys that no field of a record holds."""
    lines = [
        _("  {share:.0%} {key}: {sample}", share=fields["share"], key=name, sample=fields["sample"])
        for name, fields in list(keys.items())[:_MAX_RULES]
    ]
    more = [
        ngettext(
            "  and {count} more key (--json lists it)",
            "  and {count} more keys (--json lists them)",
            len(keys) - _MAX_RULES,
        )
    ]
    heading = _("ignored keys, with the share of the rows that have a value, and a sample:")
    return [heading, *lines, *(more if len(keys) > _MAX_RULES else [])] if keys else []


def _format_dataset(metrics: list[dict[str, Any]]) -> list[str]:
    return [
        _(
            "data set ({severity}): {reason} ({scope}: {value:.3g})",
            severity=metric["severity"],
            reason=metric[f"reason_{get_language()}"],
            scope=metric["of"],
            value=metric["value"],
        )
        for metric in metrics
    ]
