"""Stage `preflight`: stop before training if the run could not end with a verdict, or licences forbid the use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from seodang.config import AlignParams, EvaluateParams, GateParams, PackageParams, PrepareParams, PromptParams
from seodang.errors import PreflightError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import write_json
from seodang.io.model_parts import read_model_parts
from seodang.licences.refusal import require_permission
from seodang.licences.verdict import judge_licences, serialize_verdict
from seodang.paths import Paths
from seodang.preflight.checks import check_run
from seodang.preflight.preferences import check_preferences
from seodang.preflight.row_table import format_rows
from seodang.stages import FromSection, Report

logger = logging.getLogger(__name__)


def run(
    *,
    prompt: PromptParams,
    prepare: PrepareParams,
    max_length: Annotated[int, FromSection("train")],
    align: AlignParams,
    evaluate: EvaluateParams,
    gate: GateParams,
    package: PackageParams,
    paths: Paths,
) -> Report:
    """Write trained tasks, rows of each source and licence verdict, and let training start if nothing is against it.

    Raises:
        PreflightError: With all problems, each with the parameter and the value that would do.
        LicenceRefused: If licences forbid the declared use, or the name of the model.
    """
    paths.preflight_passed.unlink(missing_ok=True)
    result = check_run(prompt.format, max_length, prepare, evaluate, gate, paths)
    preferences = check_preferences(prompt, align, paths)
    parts = read_model_parts(paths)
    report = {
        "tasks": [asdict(task) for task in result.tasks],
        "rows": [asdict(rows) for rows in result.rows],
        "parts": [asdict(part) for part in parts],
        "licences": serialize_verdict(judge_licences(package.intended_use, parts)),
    }
    write_json(paths.preflight_report, report)
    for line in format_rows(result.rows):
        logger.info(line)
    for warning in [*result.warnings, *preferences.warnings]:
        logger.warning(warning)
    if problems := [*result.problems, *preferences.problems]:
        raise PreflightError(_format_problems(problems))
    require_permission(package.intended_use, package.name, parts, _("training does not start"))
    write_atomically(paths.preflight_passed, ["training may start\n"])
    return report


def _format_problems(problems: Sequence[str]) -> str:
    heading = _("training does not start, because the run could not end with a verdict about what it trains:")
    return "\n".join([heading, *(f"  - {problem}" for problem in problems)])
