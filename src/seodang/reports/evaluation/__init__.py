"""The evaluation report: one page that shows what a verdict rests on, down to single items.

`facts_of` takes what stages `evaluate` and `gate` have found with the records of the items; `render_report` makes the page of
it, `write_evaluation_report` reads, makes and puts it in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seodang.config import GateParams
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import read_json, read_records, read_rows
from seodang.paths import Paths
from seodang.reports.evaluation.render import render_report
from seodang.reports.evaluation.report_data import EvaluationReportData, build_report_data

__all__ = ["EvaluationReportData", "build_report_data", "render_report", "write_evaluation_report"]


def write_evaluation_report(paths: Paths, verdict: Mapping[str, Any], gate: GateParams) -> None:
    """Write artifacts/report/evaluation/index.html; it is complete or as it was before.

    Args:
        paths: Where scores, summary and items lie.
        verdict: What stage `gate` stores: the decision with its fingerprints.
        gate: Seed, resamples and confidence of the intervals that the page adds.
    """
    report_data = build_report_data(
        verdict, read_json(paths.evaluate_report), read_rows(paths.scores), read_records(paths.items), gate
    )
    write_atomically(paths.evaluation_page / "index.html", [render_report(report_data)])
