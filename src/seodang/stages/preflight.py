"""Stage `preflight`: stop before training if the run could not end with a verdict about what it trains."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Annotated

from seodang.config import EvaluateParams, GateParams, PrepareParams, PromptParams
from seodang.errors import PreflightError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.preflight.checks import Preflight, check_run
from seodang.preflight.row_table import format_rows
from seodang.stages import FromSection, Report

logger = logging.getLogger(__name__)


def run(
    *,
    prompt: PromptParams,
    prepare: PrepareParams,
    max_length: Annotated[int, FromSection("train")],
    evaluate: EvaluateParams,
    gate: GateParams,
    paths: Paths,
) -> Report:
    """Write the trained tasks and the rows of each source, and let training start if the gate can judge it.

    Raises:
        PreflightError: With all problems, each with the parameter and the value that would do.
    """
    paths.preflight_passed.unlink(missing_ok=True)
    result = check_run(prompt.format, max_length, prepare, evaluate, gate, paths)
    report = {"tasks": [asdict(task) for task in result.tasks], "rows": [asdict(rows) for rows in result.rows]}
    write_json(paths.preflight_report, report)
    for line in format_rows(result.rows):
        logger.info(line)
    for warning in result.warnings:
        logger.warning(warning)
    if result.problems:
        raise PreflightError(_format_problems(result))
    write_atomically(paths.preflight_passed, ["training may start\n"])
    return report


def _format_problems(result: Preflight) -> str:
    heading = _("training does not start, because the run could not end with a verdict about what it trains:")
    return "\n".join([heading, *(f"  - {problem}" for problem in result.problems)])
