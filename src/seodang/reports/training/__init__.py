"""The training report: a page that shows whether a run went well, and why.

`build_report_data` collects report.json of stage `train`, dvclive's curves and the parameters of the run,
`render_report` renders the page, and `write_training_report` writes it. `write_alignment_page` writes the page of
preference tuning beside it.
"""

from __future__ import annotations

from seodang.config import AlignBoundParams
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.reports.training.alignment import build_page_data
from seodang.reports.training.alignment_render import render_alignment_page
from seodang.reports.training.render import render_report
from seodang.reports.training.report_data import Health, TrainingReportData, build_report_data
from seodang.training.curves import read_curves
from seodang.training.run_record import ReportSample, collect_versions

__all__ = [
    "Health",
    "ReportSample",
    "TrainingReportData",
    "build_report_data",
    "collect_versions",
    "render_report",
    "write_alignment_page",
    "write_training_report",
]


def write_training_report(paths: Paths, report_data: TrainingReportData) -> None:
    """Write artifacts/report/training/index.html atomically."""
    write_atomically(paths.training_page / "index.html", [render_report(report_data)])


def write_alignment_page(paths: Paths, bounds: AlignBoundParams) -> bool:
    """Write artifacts/report/training/align.html atomically; return whether there is one.

    While align.method is none there is nothing to show; the page of an earlier run is deleted.

    Args:
        paths: Locations of the report of stage `align` and its curves.
        bounds: Of section `align`.
    """
    report = read_json(paths.align_report)
    if report["method"] == "none":
        paths.alignment_page.unlink(missing_ok=True)
        return False
    data = build_page_data(report, bounds, read_curves(paths.align_live))
    write_atomically(paths.alignment_page, [render_alignment_page(data)])
    return True
