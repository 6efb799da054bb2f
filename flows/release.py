"""The flow `release`: put the packaged model into service, after an approval if it is asked for.

`seodang release` does the work, in the folder of the project: the registry is a part of its git branch. So this flow
has no worktree of its own.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from prefect import get_run_logger, pause_flow_run
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import FlowPauseTimeout
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Completed, Running
from pydantic import Field

from flows.escaping import escape_log_line, escape_markdown
from flows.parameter_help import describe_parameters
from flows.pipeline import find_project, pipeline_flow
from flows.service_commands import print_plan, run_seodang
from seodang.i18n import _
from seodang.orchestration.release_parameters import ReleaseParameters
from seodang.paths import Paths
from seodang.release.request import read_packaged_tag

_DEFAULTS = ReleaseParameters()
_POLL_SECONDS: Final = 5  # between looks for an answer


class Approval(RunInput):
    """The answer of a person, as Prefect's form asks for it."""

    decision: Literal["approve", "refuse"] = Field(
        default="refuse",
        title=_("Decision"),
        description=_(
            "approve: the model is promoted and put into service. refuse: the run ends, and nothing changes."
        ),
    )
    reason: str = Field(default="", title=_("Reason"), description=_("For the log of the run."))


@describe_parameters(run=_("How to release."))
@pipeline_flow
def release(run: ReleaseParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Promote, build, start or restart the service, test it, and compare its version with the registry.

    Args:
        run: How to release.
        project: Folder of the project; None: the working folder, else the one of this file.

    Returns:
        The tag of the released model, or a completed state named "DryRun", "NotApproved", "NotReleased" or "Undecided".
    """
    folder = find_project(project)
    plan = print_plan("release", run.list_options(), folder)
    if isinstance(plan, State):
        return plan
    if run.dry_run:
        return Completed(name="DryRun", message=" ".join(plan))
    tag = str(read_packaged_tag(Paths(folder)))
    if run.approval and (refusal := _ask_for_approval("\n\n".join(map(escape_markdown, plan)), run.approval_seconds)):
        get_run_logger().warning(refusal)
        return Completed(name="NotApproved", message=refusal)
    end = run_seodang("release", [*run.list_options(), "--model", tag], folder)
    return end if isinstance(end, State) else tag


def _ask_for_approval(plan: str, seconds: int) -> str | None:
    """Pause until a person answers; return why nothing is promoted, or None."""
    form = Approval.with_initial_data(description=plan)  # Markdown
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=seconds, poll_interval=min(_POLL_SECONDS, seconds))
    except FlowPauseTimeout:
        _leave_pause()
        return _("nobody approved within {seconds} s; nothing was promoted", seconds=seconds)
    if answer.decision == "approve":
        get_run_logger().info(_("approved: {reason}", reason=escape_log_line(answer.reason) or "-"))
        return None
    return _("refused: {reason}; nothing was promoted", reason=escape_log_line(answer.reason) or "-")


def _leave_pause() -> None:
    """Continue a run whose pause is over: Prefect would end it with a message that says nothing of the release."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(flow_run.id), Running(), force=True)
