"""`seodang judge calibrate`: agreement of a judge with human labels, and its biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seodang.cli.judge import (
    FAILURE_LABELS,
    EndpointOption,
    KeyOption,
    ModelOption,
    TimeoutOption,
    TokensOption,
    build_endpoint,
    describe_position,
)
from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _, ngettext


def calibrate(
    labels: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help=_("Human labels: question, answer_a, answer_b, label; or question, answer, mark."),
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help=_("Folder for calibration.json and every reply."))],
    endpoint: EndpointOption,
    model: ModelOption,
    key_from: KeyOption = "OPENAI_API_KEY",
    max_tokens: TokensOption = 1024,
    timeout: TimeoutOption = 120.0,
) -> int:
    """Judge the labelled pairs, and print agreement and biases.

    Raises:
        SeodangError: If the labels have errors, or the judge refuses (exit code 2) or does not answer (75).
    """
    from seodang.evaluation.judge.calibration import REPORT_NAME
    from seodang.evaluation.judge.calibration import calibrate as run_calibration

    connection = build_endpoint(endpoint, model, key_from, max_tokens, timeout)
    report = run_calibration(labels, out, connection)
    print_calibration(report)
    print_lines([_("next: {command}", command=f"seodang judge ... --calibration {out / REPORT_NAME}")])
    return 0


def print_calibration(report: Mapping[str, Any]) -> None:
    """Print the content of calibration.json."""
    labels = report["labels"]
    counts = [
        ngettext("{count} pair", "{count} pairs", labels["pairs"]),
        ngettext("{count} question", "{count} questions", labels["questions"]),
        ngettext("{count} rater", "{count} raters", labels["raters"]),
    ]
    print_lines([f"{report['judge']['model']}: {', '.join(counts)}"])
    if labels["rows_without_label"]:
        count = labels["rows_without_label"]
        print_lines([ngettext("{count} row has no label", "{count} rows have no label", count)])
    print_table((_("pairs"), "n", _("agreement"), "kappa", _("kappa, quadratic")), _list_agreements(report))
    _print_confusion(report["confusion"])
    print_lines(
        [
            *(f"{_(FAILURE_LABELS[reason])}: {count}" for reason, count in report["without_verdict"].items()),
            *describe_position(_parse_position(report["position"])),
            *_describe_length(report["length"]),
            *_describe_self_preference(report["self_preference"]),
            *_describe_people(report["people"]),
            *_describe_required_pairs(report),
        ]
    )


def _parse_position(position: Mapping[str, Any]) -> Any:
    from seodang.evaluation.judge.biases import PositionBias
    from seodang.evaluation.judge.resampling import Estimate

    return PositionBias(**{**position, "share": Estimate(**position["share"])})


def _list_agreements(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    agreements = {_("all"): report["agreement"], **report["languages"]}
    if len(agreements) == 2:  # one language
        agreements.popitem()
    return [
        (
            name,
            str(agreement["pairs"]),
            _format_estimate(agreement["share"]),
            _format_estimate(agreement["kappa"]),
            _format_estimate(agreement["kappa_quadratic"]),
        )
        for name, agreement in agreements.items()
    ]


def _print_confusion(confusion: Mapping[str, Mapping[str, int]]) -> None:
    names = {"tie": _("tie"), "no verdict": _("no verdict")}
    columns = list(next(iter(confusion.values())))
    rows = [
        (_("people: {verdict}", verdict=names.get(row, row)), *(str(counts[column]) for column in columns))
        for row, counts in confusion.items()
    ]
    headings = ("", *(_("judge: {verdict}", verdict=names.get(column, column)) for column in columns))
    print_table(headings, rows, right=tuple(range(1, len(headings))))


def _describe_length(length: Mapping[str, Any]) -> list[str]:
    if not length["pairs"]:
        return []
    lines = [
        _(
            "length: the judge prefers the longer answer in {judge}, people in {people} of the pairs (n={pairs}); "
            "difference {excess}",
            judge=_format_share(length["judge_share"]),
            people=_format_share(length["people_share"]),
            pairs=length["pairs"],
            excess=_format_estimate(length["excess"], sign="+"),
        )
    ]
    if length["gap"]["value"] is not None:
        lines.append(
            _(
                "  it agrees with people in {longer} of the pairs in which they prefer the longer answer (n={pairs_longer}), "
                "in {shorter} of those in which they prefer the shorter one (n={pairs_shorter}); difference {gap}",
                longer=_format_share(length["agreement_longer"]),
                pairs_longer=length["pairs_longer"],
                shorter=_format_share(length["agreement_shorter"]),
                pairs_shorter=length["pairs_shorter"],
                gap=_format_estimate(length["gap"], sign="+"),
            )
        )
    if length["judge_ratio"] is not None and length["people_ratio"] is not None:
        lines.append(
            _(
                "  length of the preferred answer over that of the other one: judge {judge:.2f}, people {people:.2f}",
                judge=length["judge_ratio"],
                people=length["people_ratio"],
            )
        )
    return lines


def _describe_self_preference(own: Mapping[str, Any] | None) -> list[str]:
    if own is None:
        return []
    return [
        _(
            "its own model's answers: the judge prefers them in {judge}, people in {people} of the pairs (n={pairs}); "
            "difference {excess}",
            judge=_format_share(own["judge_share"]),
            people=_format_share(own["people_share"]),
            pairs=own["pairs"],
            excess=_format_estimate(own["excess"], sign="+"),
        )
    ]


def _describe_people(people: Mapping[str, Any] | None) -> list[str]:
    if people is None:
        return [_("one rating per pair, so the agreement among people is not known")]
    lines = [
        _(
            "two people agree in {share} of the pairs (n={pairs}, Krippendorff's alpha {alpha}); the judge agrees with one of "
            "them in {judge}",
            share=_format_share(people["share"]),
            pairs=people["pairs"],
            alpha=_format_estimate(people["alpha"]),
            judge=_format_share(people["judge_share"]),
        )
    ]
    if people["marks_alpha"] is not None:
        lines.append(_("  alpha of the marks themselves: {alpha}", alpha=_format_estimate(people["marks_alpha"])))
    return lines


def _describe_required_pairs(report: Mapping[str, Any]) -> list[str]:
    required, agreement = report["required_pairs"], report["agreement"]
    if sum(any(counts.values()) for counts in report["confusion"].values()) == 1:
        return [_("all labels are the same, so kappa cannot be known; add pairs that people judge otherwise")]
    if agreement["kappa"]["low"] is None:
        return [
            _(
                "too few labels to know kappa; pairs for an interval of ±{width:g}: about {count}",
                count=required["pairs"],
                width=required["half_width"],
            )
        ]
    if required["pairs"] <= agreement["pairs"]:
        return []
    return [
        _(
            "pairs for an interval of kappa of ±{width:g}: about {count}",
            count=required["pairs"],
            width=required["half_width"],
        )
    ]


def _format_share(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"


def _format_estimate(estimate: Mapping[str, Any], sign: str = "") -> str:
    """Return a value with its interval."""
    if estimate["value"] is None:
        return "-"
    interval = "" if estimate["low"] is None else f" [{estimate['low']:{sign}.2f}, {estimate['high']:{sign}.2f}]"
    return f"{estimate['value']:{sign}.2f}{interval}"
