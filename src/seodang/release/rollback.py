"""Go back to an earlier version: requests first, then the registry, then the services; ask the running one last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from seodang.errors import ReleaseError
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.champion import Champion, format_version, read_champion
from seodang.registry.promotion import find_rollback_target
from seodang.release.journal import Journal, create_journal, has_record, hold_service, read_journal
from seodang.release.operation import Operation, Project, require_champion
from seodang.release.router import Router
from seodang.release.services import find_free_port
from seodang.release.traffic import find_answering, give_all_to
from seodang.release.versions import roll_back_champion

DEFAULT_PORT: Final = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """Where to go back to, and why."""

    message: str | None
    """Reason; None only to finish a rollback that was killed."""
    to: str | None
    """Version; None for the previous champion."""
    worse: str | None
    """Version to go back from: if another one is champion by now, nothing changes. None for any."""
    canary: str | None
    """Id of the canary that fell: it is rolled back once. None for a rollback by a person."""
    port: int | None
    """That clients connect to; None for that of the last release."""


def roll_back(project: Project, request: RollbackRequest) -> Journal | str:
    """Go back to an earlier version.

    Returns:
        The journal; or why nothing was to be done.

    Raises:
        SeodangError: If there is no such version, or its service does not answer; the same command goes on.
    """
    with hold_service(project.paths, project.report_waiting):
        if reason := explain_no_need(project.paths, request):
            return reason
        operation = _begin(project, request)
        tag = _find_tag(operation)
        with operation.step("traffic"):
            port = _find_port(operation, tag)
            router = Router(project.paths.router)
            if port is not None and router.is_running():
                give_all_to(router, port)
        with operation.step("registry"):
            roll_back_champion(project.paths, str(operation.journal.version), str(operation.journal.reason))
        return _bring_back(operation, require_champion(read_champion(project.paths.champion)), port)


def explain_no_need(paths: Paths, request: RollbackRequest) -> str | None:
    """Return why a rollback has nothing to do; None if it has."""
    if request.canary is not None and has_record(paths, request.canary, "rollback"):
        return _("canary {id} was rolled back already; nothing has changed", id=request.canary)
    champion = read_champion(paths.champion)
    known = [format_version(name) for name in (request.worse, request.to) if name is not None]
    if request.worse is not None and champion is not None and champion.version not in known:
        return _(
            "{worse} is not the champion any more, {version} is; nothing has changed",
            worse=request.worse,
            version=champion.version,
        )
    return None


def find_target(paths: Paths, to: str | None) -> tuple[str, str]:
    """Return version and model tag to go back to; the champion itself, if it is named: its service is checked then.

    Raises:
        RegistryError: If there is no such version.
    """
    champion = read_champion(paths.champion)
    if champion is not None and to is not None and champion.version == format_version(to):
        return champion.version, champion.model_tag
    _current, event = find_rollback_target(paths, to)
    return event.version, event.model_tag


def _begin(project: Project, request: RollbackRequest) -> Operation:
    """Continue the rollback that was killed, or begin one; it may begin in the middle of a release."""
    last = read_journal(project.paths)
    if last is not None and continues_last(last, request):
        return Operation(project, last)
    if request.message is None:
        raise ReleaseError(_("no rollback is unfinished; a new one needs a reason: seodang rollback --message TEXT"))
    champion = read_champion(project.paths.champion)
    port = request.port or (last.port if last else DEFAULT_PORT)
    operation = Operation(project, create_journal("rollback", port, request.message, request.canary))
    version, tag = find_target(project.paths, request.to)
    operation.note(
        previous=champion.version if champion else None,
        version=version,
        model_tag=tag,
        live_port=last.live_port if last else None,
    )
    return operation


def continues_last(last: Journal, request: RollbackRequest) -> bool:
    """Return whether a request is about a rollback that was killed: the same canary and the same version, or any."""
    is_unfinished = last.outcome is None and last.action == "rollback"
    is_target = request.to is None or format_version(request.to) == last.version
    return is_unfinished and is_target and request.canary in (None, last.id)


def _find_tag(operation: Operation) -> str:
    assert operation.journal.model_tag is not None  # _begin notes it
    return operation.journal.model_tag


def _find_port(operation: Operation, tag: str) -> int | None:
    paths, public = operation.project.paths, operation.journal.port
    known = [port for port in (operation.journal.live_port, public) if port is not None]
    if Router(paths.router).is_running():
        known = [port for port in known if port != public]  # the router itself
    return find_answering(paths, tag, operation.project.key, known)


def _bring_back(operation: Operation, champion: Champion, port: int | None) -> Journal:
    """Have a service of the champion answer everything, and stop the others."""
    router = Router(operation.project.paths.router)
    with operation.step("start"):
        if port is None:
            port = find_free_port() if router.is_running() else operation.journal.port
            operation.run_service(champion, port)
    operation.check_service(champion, port)
    if router.is_running():
        give_all_to(router, port)
    operation.check_public_port(champion)
    with operation.step("stop"):
        operation.stop_others(port)
    return operation.finish("rolled_back")
