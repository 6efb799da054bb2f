"""The evaluation report: one page that shows the basis of a verdict, down to single items.

`build_report_data` combines the reports of the stages `evaluate` and `gate` with the records of the items.
`render_report` renders the page. `write_evaluation_report` reads the files and writes the page.
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
    """Write artifacts/report/evaluation/index.html atomically.

    Args:
        paths: Locations of scores, report and items.
        verdict: The decision of stage `gate` with its fingerprints.
        gate: Seed, resamples and confidence of the intervals that the page adds.
    """
    report_data = build_report_data(
        verdict, read_json(paths.evaluate_report), read_rows(paths.scores), read_records(paths.items), gate
    )
    write_atomically(paths.evaluation_page / "index.html", [render_report(report_data)])
