"""The evaluation report: one page that shows the basis of a verdict, down to single items.

`build_report_data` combines the reports of the stages `evaluate` and `gate` with the records of the items.
`render_report` renders the page. `write_evaluation_report` reads the files and writes the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seodang.config import GateParams
from seodang.evaluation.judge.judge_report import JudgeReport, load_judge_report
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import read_json, read_records, read_rows
from seodang.paths import Paths
from seodang.reports.evaluation.render import render_report
from seodang.reports.evaluation.report_data import EvaluationReportData, build_report_data

__all__ = [
    "EvaluationReportData",
    "build_report_data",
    "render_report",
    "write_evaluation_report",
    "write_judged_report",
]


def write_evaluation_report(paths: Paths, verdict: Mapping[str, Any], gate: GateParams) -> None:
    """Write artifacts/report/evaluation/index.html atomically.

    Args:
        paths: Locations of scores, report and items.
        verdict: The decision of stage `gate` with its fingerprints.
        gate: Seed, resamples and confidence of the intervals that the page adds.
    """
    _write(paths.evaluation_page / "index.html", paths, verdict, gate, None)


def write_judged_report(paths: Paths, gate: GateParams, folder: Path) -> Path:
    """Write the page with a section on the judge model into the folder of `seodang judge`, and return its path.

    The page of the pipeline stays as it is: no stage reads what a judge said.

    Args:
        paths: Locations of scores, report, items and verdict.
        gate: Seed, resamples and confidence of the intervals that the page adds.
        folder: With judge.json.

    Raises:
        EvaluationError: If the folder has no usable judge.json.
        ArtifactError: If a report of a stage is missing or damaged.
    """
    page = folder / "evaluation.html"
    _write(page, paths, read_json(paths.verdict), gate, load_judge_report(folder))
    return page


def _write(page: Path, paths: Paths, verdict: Mapping[str, Any], gate: GateParams, judge: JudgeReport | None) -> None:
    files = (read_json(paths.evaluate_report), read_rows(paths.scores), read_records(paths.items))
    write_atomically(page, [render_report(build_report_data(verdict, *files, gate, judge))])
