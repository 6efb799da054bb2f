"""Publish what the stages wrote as artifacts of the flow run."""

from __future__ import annotations

import base64

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from flows import alignment_reports, reports, tables
from flows.escaping import escape_rows
from seodang.config.load import load_params
from seodang.i18n import _
from seodang.io.jsonl import read_json, read_rows
from seodang.orchestration.loss_chart import draw_loss_chart
from seodang.orchestration.worktrees import get_run_name
from seodang.paths import Paths
from seodang.reports.evaluation.task_scores import build_task_scores
from seodang.reports.training.alignment import build_page_data
from seodang.training.curves import read_curves


def publish_sources(paths: Paths) -> None:
    """Publish the rows of each source."""
    rows = tables.build_source_rows(read_json(paths.ingest_report))
    create_table_artifact(escape_rows(rows), key="sources", description=_("Rows by source"))


def publish_validation(paths: Paths) -> None:
    """Publish the data report without splits, because those on disk may be of an older run."""
    _publish_data_report(paths, None)


def publish_splits(paths: Paths) -> None:
    """Publish the data report again, with the splits, and how many rows each step left."""
    preparation = read_json(paths.prepare_report)
    _publish_data_report(paths, preparation)
    funnel = tables.build_funnel_rows(read_json(paths.ingest_report), read_json(paths.validate_report), preparation)
    create_table_artifact(escape_rows(funnel), key="data-funnel", description=_("Rows from the sources to the splits"))


def _publish_data_report(paths: Paths, preparation: reports.Report | None) -> None:
    text = reports.render_data_report(read_json(paths.validate_report), preparation)
    create_markdown_artifact(text, key="data-report")


def publish_training(paths: Paths) -> None:
    """Publish the loss curve as a picture."""
    chart = draw_loss_chart(read_curves(paths.dvclive))
    if chart is not None:
        address = f"data:image/svg+xml;base64,{base64.b64encode(chart.encode()).decode()}"
        create_image_artifact(address, key="loss-curve", description=_("Loss by optimizer step"))


def publish_alignment(paths: Paths) -> None:
    """Publish what preference tuning changed, with the bounds of the gate; nothing while it is off."""
    report = read_json(paths.align_report)
    if report["method"] != "none":
        page = build_page_data(report, load_params(paths.params).align.bounds, {})
        create_markdown_artifact(alignment_reports.render_alignment(page), key="preference-tuning")


def publish_scores(paths: Paths) -> None:
    """Publish the scores per task and language, with the intervals of the differences."""
    scores = build_task_scores(read_rows(paths.scores), load_params(paths.params).gate)
    summary = reports.render_score_summary(read_json(paths.evaluate_report))
    create_table_artifact(escape_rows(tables.build_score_rows(scores)), key="score-table", description=summary)


def publish_verdict(paths: Paths) -> None:
    """Publish the verdict, and the comparisons behind it with their intervals."""
    verdict = read_json(paths.verdict)
    parts = (reports.render_verdict_report(verdict), alignment_reports.render_candidates(verdict))
    create_markdown_artifact("\n\n".join(filter(None, parts)), key="verdict")
    if rows := tables.build_comparison_rows(verdict):
        create_table_artifact(
            escape_rows(rows), key="comparisons", description=_("Comparisons with confidence intervals")
        )


def publish_pages(paths: Paths) -> None:
    """Publish the commands that fetch the pages of the run: its worktree is removed at the end."""
    create_markdown_artifact(tables.render_page_commands(get_run_name(paths.root)), key="pages")


def publish_package(paths: Paths) -> None:
    """Publish the tags of the package and the largest difference of its logits."""
    create_markdown_artifact(tables.render_package(read_json(paths.package_report)), key="package")
