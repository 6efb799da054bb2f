"""What to release, and whether it can be released: asked before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

from seodang.errors import ReleaseError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.paths import Paths
from seodang.release.journal import read_journal
from seodang.release.operation import Project
from seodang.release.router import Router, find_program
from seodang.release.services import check_free, find_service
from seodang.release.traffic import ask_tag, get_live_port


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """What to release, and how."""

    port: int
    """That clients connect to."""
    canary: bool
    """Put the new version beside the old one, behind a router; else the service on the port is restarted."""
    old: int | None
    """Port of a service that answers today and that no release started; canary only."""
    new: int | None
    """Port of the new service; None for a free one; canary only."""
    message: str | None
    version: str | None
    model: str | None
    """Tag of the packaged model that was approved; None for any."""


def read_packaged_tag(paths: Paths) -> str | None:
    """Return the tag of the model that was packaged last; None if there is none."""
    return str(read_json(paths.package_report)["model_tag"]) if paths.package_report.exists() else None


def check_service(project: Project, request: ReleaseRequest) -> None:
    """Raise an error if a release that is not under way could not start its service or its router; nothing changes.

    Raises:
        ReleaseError: If another program uses the port, or the router and the request do not fit each other.
    """
    last = read_journal(project.paths)
    if last is None or last.outcome is not None:
        check_port(project, request)
        find_live(project, request)


def check_port(project: Project, request: ReleaseRequest) -> None:
    """Raise an error before anything changes if service or router could not listen.

    Raises:
        ReleaseError: If another program uses the port, a router listens on another one, or none can be started.
    """
    router = Router(project.paths.router)
    if request.canary and not router.is_running():
        find_program()
    elif request.canary:
        if (port := router.read_public_port()) not in (None, request.port):
            raise ReleaseError(
                _(
                    "the router of this project listens on port {port}; add --port {port}, or stop it: {command}",
                    port=port,
                    command="seodang release --stop",
                )
            )
        return
    elif find_service(project.paths, port=request.port):
        return
    if ask_tag(request.port, project.key) != read_packaged_tag(project.paths):
        check_free(request.port)


def find_live(project: Project, request: ReleaseRequest) -> int | None:
    """Return the port of the service that answers today; None if none does.

    Raises:
        ReleaseError: If a router runs, and the release is to do without one.
    """
    router = Router(project.paths.router)
    port = request.old if request.canary else request.port
    if router.is_running():
        if not request.canary:
            raise ReleaseError(
                _(
                    "a router answers for this project; release with --canary, or stop it first: {command}",
                    command="seodang release --stop",
                )
            )
        port = get_live_port(router)
    return port if port is not None and ask_tag(port, project.key) else None
