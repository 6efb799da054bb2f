"""The flow `instruction-tuning`: Prefect schedules the stages, DVC executes them.

A task runs its stage with `dvc --wait-for-lock repro --single-item STAGE`, then publishes the report of the stage as
artifacts. DVC alone decides which stages are up to date, and it caches and locks their outputs, so tasks cache nothing.
Prefect is responsible for order, retries, placement and run history.

Two runs in one working tree would write the same files. The deployment's concurrency limit of 1 (flows/serve.py,
prefect.yaml) queues them. An operator sets limits across deployments, such as one GPU for all of them:
`prefect gcl create gpu --limit 1`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from flows import reports
from flows.process_guard import guard_process
from seodang.errors import ArtifactError, SeodangError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.stages.workspace import check_workspace

_PROJECT = Path(__file__).resolve().parent.parent
_MAX_LOG_LINES = 200

StageTask = Task[[Path], None]


class StageFailed(Exception):
    """A stage failed; a retry may succeed."""


class StageRefused(StageFailed):
    """The input or set-up of a stage cannot be used; a retry would fail the same way."""


def run_stage(stage: str, project: Path) -> None:
    """Bring one stage up to date and log its output line by line.

    Raises:
        StageRefused: If the stage exited with the code of a user error.
        StageFailed: If it failed in another manner.
    """
    logger = get_run_logger()
    lines: deque[str] = deque(maxlen=_MAX_LOG_LINES)
    command = ["dvc", "--wait-for-lock", "repro", "--single-item", stage]
    with guard_process(command, cwd=project, env=_build_environment(), output=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                lines.append(reports.escape_log_line(line))
                logger.info(lines[-1])
        code = process.wait()
    if code != 0:
        refused = reports.find_stage_exit_code(lines) == SeodangError.exit_code
        raise (StageRefused if refused else StageFailed)(reports.format_failure(stage, list(lines)))


def _build_environment() -> dict[str, str]:
    """Return the environment of a stage: commands of this interpreter first in PATH, output unbuffered."""
    folder = str(Path(sys.executable).parent)  # not resolved, because in a venv it is a link
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def _is_retryable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry of a failed stage may succeed; Prefect calls this before each retry."""
    return not isinstance(state.data, StageRefused)


def _create_stage_task(
    name: str,
    publish: Callable[[Paths], None] | None = None,
    retry_delays: tuple[int, ...] = (),
    *,
    publish_on_refusal: bool = False,
) -> StageTask:
    """Return the task of a stage.

    Args:
        name: Of the stage.
        publish: Creates the artifacts from the files of the stage.
        retry_delays: Seconds before each retry. Only stages that use the network have retries, and training, which
            resumes from its last checkpoint.
        publish_on_refusal: Also publish after the stage refused its input, because its report explains why.
    """

    @task(
        name=name,
        task_run_name=name,
        cache_policy=NO_CACHE,
        retries=len(retry_delays),
        retry_delay_seconds=list(retry_delays) or None,
        retry_condition_fn=_is_retryable,
    )
    def run_and_publish(project: Path) -> None:
        try:
            run_stage(name, project)
        except StageRefused:
            if publish is not None and publish_on_refusal:
                with suppress(ArtifactError):  # the stage may have failed before it wrote a report
                    publish(Paths(project))
            raise
        if publish is not None:
            publish(Paths(project))

    return run_and_publish


def _publish_validation(paths: Paths) -> None:
    """Publish the data report without splits, because those on disk may be of an older run."""
    _publish_data_report(paths, None)


def _publish_splits(paths: Paths) -> None:
    """Publish the data report again, with the splits."""
    _publish_data_report(paths, read_json(paths.prepare_report))


def _publish_data_report(paths: Paths, preparation: reports.Report | None) -> None:
    text = reports.render_data_report(
        read_json(paths.validate_report), preparation, paths.data_docs / "index.html", paths.data_card / "index.html"
    )
    create_markdown_artifact(text, key="data-report")


def _publish_scores(paths: Paths) -> None:
    report = read_json(paths.evaluate_report)
    create_table_artifact(
        reports.build_score_rows(report), key="score-table", description=reports.render_score_summary(report)
    )


def _publish_verdict(paths: Paths) -> None:
    text = reports.render_verdict_report(read_json(paths.verdict))
    create_markdown_artifact(text, key="verdict")


inputs = _create_stage_task("inputs")
base = _create_stage_task("base", retry_delays=(5, 30))
ingest = _create_stage_task("ingest", retry_delays=(5, 30))
validate = _create_stage_task("validate", _publish_validation, publish_on_refusal=True)
prepare = _create_stage_task("prepare", _publish_splits)
preflight = _create_stage_task("preflight")
train = _create_stage_task("train", retry_delays=(5,))
evaluate = _create_stage_task("evaluate", _publish_scores)
gate = _create_stage_task("gate", _publish_verdict)
report = _create_stage_task("report")
package = _create_stage_task("package")


@flow(name="instruction-tuning", persist_result=False)
def instruction_tuning(project: str | None = None) -> str | State[Any]:
    """Run all stages; package the tuned model if the verdict of the gate is `promote`.

    Args:
        project: Folder with dvc.yaml and params.yaml; None: the folder that this file belongs to.

    Returns:
        The tag of the bento, or a completed state named "Rejected" or "Inconclusive" when nothing was packaged.
    """
    paths = Paths(Path(project).resolve() if project else _PROJECT)
    check_workspace(paths)
    for stage in (inputs, base, ingest, validate, prepare, preflight, train, evaluate, gate, report):
        stage(paths.root)
    verdict = read_json(paths.verdict)
    if verdict["verdict"] != "promote":
        return Completed(name=reports.get_state_name(verdict), message=reports.format_rejection(verdict))
    package(paths.root)
    tag = str(read_json(paths.package_report)["bento_tag"])
    get_run_logger().info(_("packaged: {tag}", tag=tag))
    return tag
