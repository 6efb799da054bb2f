"""The training report: a page that shows whether a run went well, and why.

`build_report_data` collects report.json of stage `train`, dvclive's curves and the parameters of the run,
`render_report` renders the page, and `write_training_report` writes it.
"""

from __future__ import annotations

from seodang.io.atomic import write_atomically
from seodang.paths import Paths
from seodang.reports.training.render import render_report
from seodang.reports.training.report_data import Health, TrainingReportData, build_report_data
from seodang.training.run_record import ReportSample, collect_versions

__all__ = [
    "Health",
    "ReportSample",
    "TrainingReportData",
    "build_report_data",
    "collect_versions",
    "render_report",
    "write_training_report",
]


def write_training_report(paths: Paths, report_data: TrainingReportData) -> None:
    """Write artifacts/report/training/index.html atomically."""
    write_atomically(paths.training_page / "index.html", [render_report(report_data)])
