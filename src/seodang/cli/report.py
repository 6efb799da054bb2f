"""`seodang report`: times, scores, verdict, bento, and the next commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from seodang.cli.terminal import print_lines, print_table
from seodang.cli.verdict_table import print_verdict
from seodang.i18n import _, ngettext
from seodang.io.jsonl import read_json
from seodang.metric_registry import SUMMARY_METRICS
from seodang.paths import Paths

_EXAMPLE = '{"instruction": "다음 영화 감상의 감정을 분석하세요.", "input": "이 영화는 너무 지루해"}'


def report(
    judge: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help=_("Folder of seodang judge: write the evaluation page with the judge's figures there.")
        ),
    ] = None,
) -> int:
    """Print the summary of the last run again, or write the evaluation page with the figures of a judge model.

    Raises:
        ArtifactError: If there is no verdict yet; exit code 2.
        EvaluationError: If the folder has no judge.json; exit code 2.
    """
    paths = Paths(Path.cwd())
    if judge is None:
        print_summary(paths)
    else:
        from seodang.config.load import load_params
        from seodang.reports.evaluation import write_judged_report

        print_lines([_("page: {file}", file=write_judged_report(paths, load_params(paths.params).gate, judge))])
    return 0


def print_summary(paths: Paths) -> None:
    """Print what the stages cost, the scores, the verdict, and the next commands."""
    _print_timings(paths)
    verdict = read_json(paths.verdict)
    _print_scores(read_json(paths.evaluate_report), [result["metric"] for result in verdict["results"]])
    print_verdict(verdict)
    print_lines(_format_next_steps(verdict["verdict"] == "promote", paths))


def read_timings(paths: Paths) -> list[dict[str, Any]]:
    """Return what each stage cost when it last ran, in the order of the runs."""
    if not paths.timings.exists():
        return []
    rows = []
    for line in paths.timings.read_text("utf-8", errors="replace").splitlines():
        with suppress(ValueError):  # a full disk or a power cut may have cut a line
            rows.append(json.loads(line))
    return list({row["stage"]: row for row in rows}.values())


def _print_timings(paths: Paths) -> None:
    rows = read_timings(paths)
    if not rows:
        return
    cells = [
        (row["stage"], f"{row['seconds']:.1f}", f"{row['cpu_seconds']:.1f}", str(row["peak_memory_mb"])) for row in rows
    ]
    total = (
        _("all"),
        f"{sum(row['seconds'] for row in rows):.1f}",
        f"{sum(row['cpu_seconds'] for row in rows):.1f}",
        str(max(row["peak_memory_mb"] for row in rows)),
    )
    print_lines([""])
    print_table((_("stage"), _("wall s"), _("CPU s"), _("peak MB")), [*cells, total], right=(1, 2, 3))


def _print_scores(evaluation: Mapping[str, Any], rule_metrics: Sequence[str]) -> None:
    best = set(evaluation["best"].values())
    tried = [row for row in evaluation["variants"] if row["name"].partition("/")[0] in evaluation["best"]]
    rows_to_print = [row for row in evaluation["variants"] if row not in tried or row["name"] in best]
    metrics = _select_metrics(rows_to_print, rule_metrics)
    rows = [
        (
            ngettext("{name} ({count} shot)", "{name} ({count} shots)", row["shots"], name=row["name"]),
            *("-" if row.get(metric) is None else f"{row[metric]:.3f}" for metric in metrics),
            str(row["items"]),
        )
        for row in rows_to_print
    ]
    print_lines([""])
    print_table((_("model"), *metrics, _("items")), rows, right=tuple(range(1, len(metrics) + 2)))
    print_lines([_("prompts tried with the base: {count}; its best ones are shown", count=len(tried))])


def _select_metrics(variants: Sequence[Mapping[str, Any]], rule_metrics: Sequence[str]) -> list[str]:
    """Return the metrics that a model has a score in: those of the rules, then the others of a summary."""
    names = dict.fromkeys([*rule_metrics, *SUMMARY_METRICS])
    return [name for name in names if any(row.get(name) is not None for row in variants)]


def _format_next_steps(promoted: bool, paths: Paths) -> list[str]:
    pages = {
        _("evaluation"): paths.evaluation_page / "index.html",
        _("training"): paths.training_page / "index.html",
        **({_("preference tuning"): paths.alignment_page} if paths.alignment_page.exists() else {}),
        _("data card"): paths.data_card / "index.html",
        _("data docs"): paths.data_docs / "index.html",
    }
    lines = ["", *(f"{name}: {page.relative_to(paths.root)}" for name, page in pages.items()), ""]
    if not promoted:
        lines.append(_("nothing was packaged; next:"))
        note = _("remember that these items judged a candidate")
        return [
            *lines,
            f"  git add registry && git commit -m '...'   # {note}",
            "  $EDITOR params.yaml && make run",
            "  dvc metrics show",
        ]
    return [
        *lines,
        f"bento: {read_json(paths.package_report)['bento_tag']}",
        "",
        _("next (after . .venv/bin/activate):"),
        "  make serve",
        f"  curl -s localhost:3000/generate -H 'Content-Type: application/json' -d '{_EXAMPLE}'",
        "  git add dvc.lock params.yaml registry && git commit -m '...' && seodang registry promote",
        "  seodang registry rollback --message '...'",
        "  make flows   # Prefect: prefect deployment run 'instruction-tuning/local' --watch",
    ]
