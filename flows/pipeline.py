"""What the flows of the pipeline share: their settings, and a run from its worktree to its DVC experiment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from prefect import Flow, flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows import reports, tables
from flows.commands import run_dvc
from flows.dvc_commands import keep_dvc_process
from flows.escaping import escape_log_line, shorten_value
from flows.liveness import check_life, watch_life
from flows.missed_schedules import find_later_run
from flows.notifications import notify
from flows.placement import cancel_training_elsewhere, run_training_elsewhere
from flows.stages import TASKS, StageFailed
from flows.transfers import pull_data, push_result
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.folder_lock import hold_folder
from seodang.io.jsonl import read_json
from seodang.orchestration.dvc_plan import check_inputs, describe_plan, parse_plan
from seodang.orchestration.failures import keep_failed_outputs
from seodang.orchestration.parameters import PipelineParameters, RunParameters
from seodang.orchestration.results import save_experiment
from seodang.orchestration.runs import Run, find_revision, name_run, open_run
from seodang.orchestration.unfinished import forget_unfinished
from seodang.orchestration.worktrees import Worktree
from seodang.stages import STAGES

PROJECT: Final = Path(__file__).resolve().parent.parent
Finish = Callable[[Worktree], "str | State[Any] | None"]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def pipeline_flow(function: Callable[Parameters, Result]) -> Flow[Parameters, Result]:
    """Make a function a flow of the pipeline: named after it, with notifications about every end of a run."""
    settings = flow(
        name=function.__name__.replace("_", "-"),  # Prefect, too, derives it so when it reads the file of a deployment
        flow_run_name=name_flow_run,
        persist_result=False,
        on_completion=[notify],
        on_failure=[cancel_training_elsewhere, notify],
        on_crashed=[cancel_training_elsewhere, notify],
        on_cancellation=[cancel_training_elsewhere, notify],
    )
    return settings(function)


def name_flow_run() -> str:
    """Return the name of the current flow run: the flow, the profile and the commit. Prefect calls this."""
    parameters = flow_run.parameters
    run, name = parameters.get("run"), flow_run.flow_name or "flow"
    try:
        commit = find_revision(run, find_project(parameters.get("project"))).commit
        return f"{name} {name_run(run, commit)}"
    except (SeodangError, AttributeError):  # the flow itself reports what is wrong
        return name


def find_project(project: str | None) -> Path:
    """Return the folder of the project: as given, else the working folder, else the one that this file belongs to.

    A worker changes into the folder that its deployment names, or into its clone.
    """
    if project:
        return Path(project).resolve()
    return Path.cwd() if (Path.cwd() / "dvc.yaml").is_file() else PROJECT


def run_pipeline(
    run: RunParameters, stages: Sequence[str], project: str | None, finish: Finish | None = None
) -> str | State[Any]:
    """Run stages in a worktree of their own and save the result as a DVC experiment.

    Args:
        run: Parameters.
        stages: In order; `package` runs only if the verdict is `promote`.
        project: Folder of the project; None: the one that this file belongs to.
        finish: Called after the stages, before the result is saved; may return the result of the flow.

    Returns:
        The tag of the bento or the name of the experiment, or a completed state named "Rejected", "Inconclusive" or
        "DryRun".
    """
    if later := find_later_run():
        return Completed(name="Skipped", message=_("run {name} does the work of this scheduled time", name=later.name))
    with ExitStack() as stack:
        stack.enter_context(watch_life())
        opened = stack.enter_context(open_run(run, find_project(project), str(flow_run.id)))
        worktree = opened.worktree
        stack.enter_context(keep_dvc_process(worktree.root, (worktree.lock,)))
        _log_start(opened)
        _restore_outputs(run, worktree)
        if run.dry_run:
            return _publish_plan(opened, stages)
        check_inputs(stages, worktree.paths)
        result = _run_stages(run, stages, worktree) or (finish(worktree) if finish else None)
        check_life()
        save_experiment(worktree)
        forget_unfinished(worktree.folder)
        if run.share:
            push_result(worktree)
        check_life()
        get_run_logger().info(
            _(
                "result: DVC experiment {name}; look: dvc exp show; use it: dvc exp apply {name}, or dvc exp branch {name}"
                " BRANCH",
                name=worktree.name,
            )
        )
        return result or worktree.name


def _restore_outputs(run: RunParameters, worktree: Worktree) -> None:
    """Bring the outputs that dvc.lock names into the worktree, and data that DVC tracks."""
    if run.share and not run.dry_run:
        pull_data(worktree)
    else:  # without a dvc.lock DVC warns of each output
        run_dvc(["checkout", "--allow-missing"], worktree.root, keep_open=(worktree.lock,), is_quiet=True)


def _log_start(run: Run) -> None:
    logger, worktree = get_run_logger(), run.worktree
    logger.info(_("commit {commit}, worktree {folder}", commit=worktree.revision.commit, folder=worktree.root))
    for name, (old, new) in run.changes.items():
        logger.info("%s", escape_log_line(f"{name}: {shorten_value(old)} -> {shorten_value(new)}"))
    if run.left_out:
        logger.warning(
            _(
                "uncommitted files are not part of this run: {names}; commit them, or set include_changes",
                names=escape_log_line(", ".join(run.left_out[:10])),
            )
        )
    if run.carried:
        logger.info(
            _(
                "inputs that git ignores are part of this run: {names}",
                names=escape_log_line(", ".join(run.carried[:10])),
            )
        )
    if run.resumes:
        logger.info(_("an equal run did not finish; this one resumes from its checkpoints"))


def _publish_plan(run: Run, stages: Sequence[str]) -> State[Any]:
    """Log and publish the plan of a dry run."""
    worktree = run.worktree
    lines = run_dvc(["status", "--json"], worktree.root, keep_open=(worktree.lock,), is_quiet=True)
    plan = describe_plan(parse_plan(lines, stages, worktree.paths))
    for line in plan:
        get_run_logger().info(line)
    text = tables.render_plan(worktree.name, plan, run.changes, list(run.left_out))
    create_markdown_artifact(text, key="plan")
    return Completed(name="DryRun", message=" ".join(plan))


def _run_stages(run: RunParameters, stages: Sequence[str], worktree: Worktree) -> str | State[Any] | None:
    """Run the stages; return the tag of the bento, a state if the verdict is not `promote`, or nothing."""
    for stage in stages:
        check_life()
        if stage == "package" and (refusal := _read_refusal(worktree)):
            return refusal
        if stage == "train" and isinstance(run, PipelineParameters) and run.train_deployment:
            run_training_elsewhere(run.train_deployment, worktree)
        # Judgements count: the next run must see the one of this run, so nobody else judges until it is saved.
        with hold_folder(worktree.folder) if stage == "gate" else nullcontext():
            _run_stage(stage, worktree)
            if stage == "gate":
                save_experiment(worktree)
    if stages[-1] == "package":
        tag = str(read_json(worktree.paths.package_report)["bento_tag"])
        get_run_logger().info(_("packaged: {tag}", tag=tag))
        return tag
    return None


def _run_stage(stage: str, worktree: Worktree) -> None:
    """Run a stage; if it fails, keep what this run has computed, and log where it is."""
    started = time.time()
    try:
        TASKS[stage](worktree.root, (worktree.lock,))
    except StageFailed:
        try:
            _keep_results(stage, worktree, started)
        except (SeodangError, OSError) as error:  # the failure of the stage says more
            get_run_logger().warning(_("the results of the other stages could not be saved: {error}", error=error))
        raise


def _keep_results(failed_stage: str, worktree: Worktree, started: float) -> None:
    logger = get_run_logger()
    if folder := keep_failed_outputs(worktree, failed_stage, started):
        logger.error(
            _("what {stage} wrote before it failed: {folder}", stage=failed_stage, folder=escape_log_line(str(folder)))
        )
    save_experiment(worktree)
    logger.info(
        _(
            "the stages before {stage} are saved: DVC experiment {name}; the next run takes their results from DVC's cache",
            stage=failed_stage,
            name=worktree.name,
        )
    )


def _read_refusal(worktree: Worktree) -> State[Any] | None:
    verdict = read_json(worktree.paths.verdict)
    if verdict["verdict"] == "promote":
        return None
    return Completed(name=reports.get_state_name(verdict), message=reports.format_rejection(verdict))


def list_stages_to(last: str) -> tuple[str, ...]:
    """Return the stages up to one of them."""
    return STAGES[: STAGES.index(last) + 1]
