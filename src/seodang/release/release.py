"""Put the packaged model into service: promote, build, start, test, ask the running service, compare, record.

Every step looks at what is there and does only what is missing. So a killed release is finished by the same command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from seodang.errors import ReleaseError, UnfitForService
from seodang.i18n import _
from seodang.registry.champion import Champion, read_champion
from seodang.registry.promotion import promote
from seodang.registry.restore import make_servable
from seodang.release.journal import Journal, create_journal, hold_order, hold_service, read_journal
from seodang.release.operation import Operation, Project, require_champion
from seodang.release.request import ReleaseRequest, check_port, find_live, read_packaged_tag
from seodang.release.router import Router
from seodang.release.services import find_free_port, find_service
from seodang.release.traffic import ask_tag, give_all_to, place_candidate, start_router
from seodang.release.versions import roll_back_champion

WatchOutcome = Literal["kept", "rolled_back", "undecided"]
Watch = Callable[[int, int, str], WatchOutcome]
"""Watches a canary: port of the old service, port of the new one, id of the canary."""


def release(project: Project, request: ReleaseRequest, watch: Watch) -> Journal:
    """Release the packaged model; a version that does not start or answer as it should is rolled back.

    Args:
        project: The project.
        request: What to release.
        watch: Called once per canary, while no lock but the order of releases is held.

    Returns:
        The journal with the outcome.

    Raises:
        NotPromoted: If the verdict is not `promote`; nothing has changed.
        UnfitForService: If the version does not fit, and there is no earlier one.
        SeodangError: If the set-up cannot be used; the same command goes on.
    """
    with hold_order(project.paths, project.report_waiting):
        with hold_service(project.paths, project.report_waiting):
            operation = _begin(project, request)
            if _was_rolled_back(operation, request):
                return _let_old_answer(operation, request)
            try:
                champion, live, new = _put_into_service(operation, request)
            except UnfitForService as error:
                return _take_back(operation, request, error)
            if live in (None, new):
                operation.check_public_port(champion)
                return operation.finish("released")
        with operation.step("watch"):
            outcome = watch(live, new, operation.journal.id)
        with hold_service(project.paths, project.report_waiting):
            return _settle(operation, request, champion, outcome)


def _begin(project: Project, request: ReleaseRequest) -> Operation:
    """Continue the release that was killed, or begin one."""
    last = read_journal(project.paths)
    if last is not None and last.outcome is None:
        if last.action == "rollback":
            raise ReleaseError(
                _("the rollback to {version} is not finished; finish it: seodang rollback", version=last.version)
            )
        operation = Operation(project, last.model_copy(update={"port": request.port}))
        if (
            last.live_port is not None and ask_tag(last.live_port, project.key) is None
        ):  # after a restart of the machine
            operation.note(live_port=find_live(project, request))
        return operation
    check_port(project, request)
    live = find_live(project, request)
    champion = read_champion(project.paths.champion)
    operation = Operation(project, create_journal("release", request.port, request.message))
    operation.note(previous=champion.version if champion else None, live_port=live)
    return operation


def _put_into_service(operation: Operation, request: ReleaseRequest) -> tuple[Champion, int | None, int]:
    """Promote, build, start, test; return the champion, the port of the old service, and that of the new one."""
    champion = _promote(operation, request)
    live = operation.journal.live_port
    with operation.step("build"):
        make_servable(champion, operation.project.paths)
    with operation.step("start"):
        new = _choose_port(operation, request, champion, live)
        operation.run_service(champion, new)
    operation.check_service(champion, new)
    if request.canary:
        with operation.step("traffic"):
            router = start_router(operation.project.paths, request.port, new if live is None else live)
            if live in (None, new):
                give_all_to(router, new)
            else:
                place_candidate(router, live, new)
    return champion, live if request.canary else None, new


def _promote(operation: Operation, request: ReleaseRequest) -> Champion:
    paths, journal = operation.project.paths, operation.journal
    with operation.step("promote"):
        packaged = read_packaged_tag(paths)
        if request.model not in (None, packaged):
            raise ReleaseError(
                _(
                    "{approved} was approved, and the packaged model is {packaged}; nothing has changed",
                    approved=request.model,
                    packaged=packaged or _("none"),
                )
            )
        promote(paths, request.message or journal.reason, request.version)
        champion = require_champion(read_champion(paths.champion))
        operation.note(version=champion.version, model_tag=champion.model_tag)
    return champion


def _choose_port(operation: Operation, request: ReleaseRequest, champion: Champion, live: int | None) -> int:
    """Return the port for the new service: one that runs already, else the given one, else a free one."""
    if not request.canary:
        return request.port
    paths = operation.project.paths
    if live is not None and ask_tag(live, operation.project.key) == champion.model_tag:
        return live
    running = find_service(paths, tag=champion.model_tag)
    port = running.port if running else request.new or find_free_port()
    operation.stop_others(live, port)  # the version before the old one needs no memory any more
    return port


def _was_rolled_back(operation: Operation, request: ReleaseRequest) -> bool:
    """Return whether a killed release had already gone back; a new reason is a new attempt."""
    journal, champion = operation.journal, read_champion(operation.project.paths.champion)
    is_earlier = champion is not None and champion.version == journal.previous
    return "promote" in journal.steps and is_earlier and journal.previous != journal.version and not request.message


def _take_back(operation: Operation, request: ReleaseRequest, error: UnfitForService) -> Journal:
    """Make the earlier version champion again, and let it answer.

    Raises:
        UnfitForService: If there is no earlier version. The first one is stopped: no answer is better than a wrong one.
    """
    journal = operation.journal
    if journal.previous is None:
        operation.stop_others(journal.live_port)
    if journal.previous in (None, journal.version):
        raise error
    with operation.step("registry"):
        roll_back_champion(operation.project.paths, str(journal.previous), f"release: {error.detail}")
    return _let_old_answer(operation, request)


def _let_old_answer(operation: Operation, request: ReleaseRequest) -> Journal:
    """Let the champion, to which the registry went back, answer everything."""
    paths, live = operation.project.paths, operation.journal.live_port
    champion, router = require_champion(read_champion(paths.champion)), Router(paths.router)
    if request.canary and live is not None:
        with operation.step("stop"):
            if router.is_running():
                give_all_to(router, live)
            operation.stop_others(live)
        operation.check_public_port(champion)
    elif not request.canary:
        with operation.step("start"):
            operation.run_service(champion, request.port)
        operation.check_public_port(champion)
    return operation.finish("rolled_back", champion.message)


def _settle(operation: Operation, request: ReleaseRequest, champion: Champion, outcome: WatchOutcome) -> Journal:
    """Bring services and journal in line with the end of a canary."""
    if outcome == "rolled_back":
        return _let_old_answer(operation, request)
    if outcome == "kept":
        operation.check_public_port(champion)
        return operation.finish("released")  # the old service stays, so that a rollback takes effect at once
    return operation.finish("undecided")
