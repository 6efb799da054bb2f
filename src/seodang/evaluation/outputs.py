"""Write items, scores, report and tables of an evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from seodang.evaluation.aggregate import (
    ALIGNED_VARIANT,
    CHAMPION_VARIANT,
    TUNED_VARIANT,
    ItemScore,
)
from seodang.evaluation.samples import TaskSamples
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import write_json, write_records, write_rows
from seodang.metric_registry import RATIO_METRICS, SUMMARY_METRICS
from seodang.paths import Paths


def write_outputs(
    report: dict[str, Any], scores: Sequence[ItemScore], tasks: Sequence[TaskSamples], paths: Paths
) -> None:
    """Write the items, scores, report and metrics of an evaluation, and the tables of its plots."""
    write_records(paths.items, (record for task in tasks for record in task.records))
    write_rows(paths.scores, (asdict(score) for score in scores))
    write_json(paths.evaluate_report, report)
    rows = {row["name"]: row for row in report["variants"]}
    names = {
        **report["best"],
        TUNED_VARIANT: TUNED_VARIANT,
        **({ALIGNED_VARIANT: ALIGNED_VARIANT} if ALIGNED_VARIANT in rows else {}),
        **({CHAMPION_VARIANT: CHAMPION_VARIANT} if report["champion"] else {}),
    }
    write_json(
        paths.metrics,
        {metric: {name: rows[variant][metric] for name, variant in names.items()} for metric in SUMMARY_METRICS},
    )
    # DVC's bar template draws one bar per label, so the label includes the variant.
    bars = [
        [f"{row['task']} {row['language']} · {name}", row["task"], row["language"], name, row[variant]]
        for row in report["tasks"]
        for name, variant in names.items()
        if row[variant] is not None and row["metric"] in RATIO_METRICS
    ]
    write_atomically(paths.scores_table, [_format_csv([["bar", "task", "language", "variant", "score"], *bars])])
    write_atomically(paths.shots_table, [_format_csv([["shots", "base", "tuned"], *build_shots_rows(report)])])


def build_shots_rows(report: Mapping[str, Any]) -> list[list[Any]]:
    """Return, per number of few-shot examples, the accuracy of the base in its best format, and of the tuned model.

    The metric is chrF where no task has choices: free answers are seldom exact.
    """
    rows = {row["name"]: row for row in report["variants"]}
    metric = "chrf" if rows[TUNED_VARIANT]["accuracy"] is None else "accuracy"
    best: dict[int, float] = {}
    for variant, prompt in report["formats"].items():
        score = rows[variant][metric]
        if variant.partition("/")[0] in report["best"] and score is not None:
            best[prompt["shots"]] = max(score, best.get(prompt["shots"], 0.0))
    return [[shots, score, rows[TUNED_VARIANT][metric]] for shots, score in sorted(best.items())]


def _format_csv(rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()
