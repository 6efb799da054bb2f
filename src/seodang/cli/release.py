"""`seodang release` and `seodang rollback`: put a version into service, and go back, each step once."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from seodang.cli.api_key import read_key
from seodang.cli.terminal import print_lines
from seodang.i18n import N_, _
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.release.journal import Journal, Step
    from seodang.release.operation import Event, Project

logger = logging.getLogger(__name__)

_EXIT_CODES: Final = {"released": 0, "rolled_back": 3, "undecided": 4}
_STEPS: Final = {
    "promote": N_("promote the packaged model"),
    "build": N_("build its bento"),
    "traffic": N_("send requests to the right service"),
    "registry": N_("make the earlier version champion"),
    "start": N_("have its service answer"),
    "smoke": N_("smoke test"),
    "verify": N_("compare the running version with the champion"),
    "watch": N_("watch the canary"),
    "stop": N_("stop what is not needed"),
    "record": N_("record"),
}
DryRun = Annotated[bool, typer.Option("--dry-run", help=_("Print what would be done; do nothing."))]


def release(
    port: Annotated[int, typer.Option(min=1, max=65535, help=_("Port that clients connect to."))] = 3000,
    canary: Annotated[
        bool,
        typer.Option("--canary", help=_("Put the new version beside the old one, and watch it; needs HAProxy.")),
    ] = False,
    old: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=_("Port of the old service, if you started it; only with --canary.")),
    ] = None,
    new: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=_("Port of the new service; by default a free one; only with --canary.")),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help=_("Reason, for the history; by default that the verdict is promote.")),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help=_("Version to register; by default the next minor version."))
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="TAG", help=_("Refuse any other packaged model, such as one that was not approved.")),
    ] = None,
    event: Annotated[
        bool,
        typer.Option(
            "--event", help=_("Let an automation of Prefect roll back (PREFECT_API_URL); without one, roll back.")
        ),
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help=_("Release nothing: stop the services and the router of earlier releases."))
    ] = False,
    dry_run: DryRun = False,
) -> int:
    """Release the packaged model.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3, and nothing has changed.
        SeodangError: If the set-up cannot be used; exit code 2 or 75. The same command goes on.
    """
    from seodang.cli.canary import watch_services
    from seodang.release.fall import require_api_url
    from seodang.release.plan import plan_release
    from seodang.release.release import release as put_into_service
    from seodang.release.request import ReleaseRequest

    if event:
        require_api_url()
    project = _open_project()
    if stop:
        return _stop(project)
    request = ReleaseRequest(port=port, canary=canary, old=old, new=new, message=message, version=version, model=model)
    if dry_run:
        print_lines(plan_release(project, request))
        return 0
    journal = put_into_service(project, request, partial(watch_services, event=event))
    print_lines(_describe_end(journal))
    assert journal.outcome is not None  # it has ended
    return _EXIT_CODES[journal.outcome]


def rollback(
    message: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help=_("Reason, for the history; left out, a killed rollback is finished.")),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help=_("Version to go back to; by default the previous champion."))
    ] = None,
    worse: Annotated[
        str | None, typer.Option(metavar="VERSION", help=_("Do nothing if another version is champion by now."))
    ] = None,
    canary: Annotated[
        str | None, typer.Option(metavar="ID", help=_("Canary that fell; it is rolled back once."))
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=_("Port that clients connect to; by default that of the last release.")),
    ] = None,
    dry_run: DryRun = False,
) -> int:
    """Go back to an earlier version, in the registry and in the running service.

    Raises:
        SeodangError: If there is no such version, or its service does not answer; exit code 2, 3 or 75. The same
            command goes on.
    """
    from seodang.release.plan import plan_rollback
    from seodang.release.rollback import RollbackRequest, roll_back

    project = _open_project()
    request = RollbackRequest(message=message, to=to, worse=worse, canary=canary, port=port)
    if dry_run:
        print_lines(plan_rollback(project.paths, request, project.key))
        return 0
    end = roll_back(project, request)
    print_lines([end] if isinstance(end, str) else _describe_end(end))
    return 0


def _stop(project: Project) -> int:
    from seodang.release.journal import hold_service
    from seodang.release.traffic import stop_all

    with hold_service(project.paths, project.report_waiting):
        ports = stop_all(project.paths, project.params.stop_seconds)
    print_lines([_("stopped: {ports}", ports=", ".join(map(str, ports)) or _("none"))])
    return 0


def _open_project() -> Project:
    from seodang.config.load import load_params
    from seodang.release.operation import Project

    paths = Paths(Path.cwd())
    return Project(
        paths=paths,
        params=load_params(paths.params).release,
        key=read_key(),
        report=_report,
        report_waiting=_report_waiting,
    )


def _report(step: Step, event: Event) -> None:
    if event == "begins":
        print_lines([_(_STEPS[step])])
        sys.stdout.flush()


def _report_waiting(holder: str) -> None:
    text = _(
        "another release or rollback works on this project: process {holder}; this one waits for it (Ctrl-C ends it)",
        holder=holder,
    )
    logger.warning(text)


def _describe_end(journal: Journal) -> list[str]:
    if journal.outcome == "released":
        return [
            _(
                "released: {version} ({tag}), on port {port}",
                port=journal.port,
                version=journal.version,
                tag=journal.model_tag,
            )
        ]
    if journal.outcome == "undecided":
        return [_("undecided: the old version answers all requests, and the registry has not changed")]
    version = journal.version if journal.action == "rollback" else journal.previous
    return [
        _("rolled back to {version}, on port {port}", port=journal.port, version=version),
        _("reason: {message}", message=journal.reason),
    ]
