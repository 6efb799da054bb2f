"""The stages as Prefect tasks: DVC executes them, Prefect retries them and shows their reports.

A task runs its stage with `dvc --wait-for-lock repro --single-item STAGE`, then publishes the report of the stage as
artifacts. DVC alone decides which stages are up to date, and it caches and locks their outputs, so tasks cache nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import httpx
from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows import publishing, reports, training_progress
from flows.commands import run_logged
from flows.killed_stages import describe_kill, find_signal
from flows.liveness import check_life
from seodang.errors import ArtifactError, DiskFull, SeodangError
from seodang.i18n import _
from seodang.paths import Paths

StageTask = Task[..., None]
_REFUSALS: Final = frozenset({SeodangError.exit_code, DiskFull.exit_code})  # a retry does not free a disk either
_PROGRESS_FILE: Final = Path(".seodang", "progress.json")
_PROGRESS_KEYS: Final = {"train": training_progress.KEY, "align": training_progress.ALIGNMENT_KEY}
"""Keys of the progress artifacts, by stage; a stage that is switched off writes no progress and gets no artifact."""


class StageFailed(Exception):
    """A stage failed; a retry may succeed."""


class StageRefused(StageFailed):
    """The input or set-up of a stage cannot be used; a retry would fail the same way."""


def run_stage(stage: str, project: Path, keep_open: Sequence[int] = ()) -> None:
    """Bring one stage up to date and log its output line by line.

    Raises:
        StageRefused: If the stage exited with the code of a user error or of a full disk.
        StageFailed: If it failed in another manner, or a signal ended it.
    """
    command = ["dvc", "--wait-for-lock", "repro", "--single-item", stage]
    key = _PROGRESS_KEYS.get(stage)
    progress_file = project / _PROGRESS_FILE if key else None
    with training_progress.show_progress(progress_file, key) if key and progress_file else nullcontext():
        code, lines = run_logged(command, project, progress_file=progress_file, keep_open=keep_open)
    if code == 0:
        return
    stage_code = reports.find_stage_exit_code(lines)
    if ended_by := find_signal(code if stage_code is None else stage_code):
        raise StageFailed(describe_kill(stage, ended_by))
    raise (StageRefused if stage_code in _REFUSALS else StageFailed)(
        reports.format_failure(stage, _shorten_paths(lines, project))
    )


def _shorten_paths(lines: Sequence[str], project: Path) -> list[str]:
    """Return lines without the folder of the worktree, which is gone when somebody reads them."""
    return [line.replace(f"{project}/", "") for line in lines]


def _publish(publish: Callable[[Paths], None], project: Path) -> None:
    """Create the artifacts of a stage; without a server the stage has succeeded all the same."""
    try:
        check_life()
        publish(Paths(project))
    except httpx.HTTPError as error:
        get_run_logger().warning(_("no artifacts: the Prefect server does not answer ({error})", error=error))


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
    def run_and_publish(project: Path, keep_open: tuple[int, ...] = ()) -> None:
        try:
            run_stage(name, project, keep_open)
        except StageRefused:
            if publish is not None and publish_on_refusal:
                with suppress(ArtifactError):  # the stage may have failed before it wrote a report
                    _publish(publish, project)
            raise
        if publish is not None:
            _publish(publish, project)

    return run_and_publish


inputs = _create_stage_task("inputs")
base = _create_stage_task("base", retry_delays=(5, 30))
ingest = _create_stage_task("ingest", publishing.publish_sources, retry_delays=(5, 30))
validate = _create_stage_task("validate", publishing.publish_validation, publish_on_refusal=True)
prepare = _create_stage_task("prepare", publishing.publish_splits)
preflight = _create_stage_task("preflight")
train = _create_stage_task("train", publishing.publish_training, retry_delays=(5,))
align = _create_stage_task("align", publishing.publish_alignment)
evaluate = _create_stage_task("evaluate", publishing.publish_scores)
gate = _create_stage_task("gate", publishing.publish_verdict)
report = _create_stage_task("report", publishing.publish_pages)
package = _create_stage_task("package", publishing.publish_package)

TASKS: Final = {
    each.name: each
    for each in (inputs, base, ingest, validate, prepare, preflight, train, align, evaluate, gate, report, package)
}
