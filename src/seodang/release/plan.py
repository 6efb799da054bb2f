"""What a release or a rollback would do, without doing it."""

from __future__ import annotations

from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.candidate import load_candidate
from seodang.registry.champion import read_champion
from seodang.registry.promotion_checks import find_next_version
from seodang.release.journal import read_journal
from seodang.release.operation import Project
from seodang.release.request import ReleaseRequest, check_service
from seodang.release.rollback import RollbackRequest, explain_no_need, find_target
from seodang.release.router import Router
from seodang.release.services import list_services
from seodang.release.traffic import ask_tag, get_live_port


def plan_release(project: Project, request: ReleaseRequest) -> list[str]:
    """Return what a release would do, a line each.

    Raises:
        NotPromoted: If the verdict is not `promote`.
        SeodangError: If the release would end with an error that can be known now, so that nobody approves it.
    """
    paths = project.paths
    candidate, champion = load_candidate(paths), read_champion(paths.champion)
    check_service(project, request)
    version = find_next_version(paths, request.message, request.version)
    scores = ", ".join(f"{name} {value:.3f}" for name, value in candidate.scores.items() if value is not None)
    lines = [
        _("packaged model: {tag}, verdict: {verdict}", tag=candidate.model_tag, verdict=candidate.verdict),
        _("scores: {scores}", scores=scores),
        _(
            "champion: {version} ({tag})",
            version=champion.version if champion else _("none"),
            tag=champion.model_tag if champion else "-",
        ),
        _("promote: as {version}", version=version)
        if version
        else _("promote: these weights are the champion already"),
        *_list_unfinished(paths),
    ]
    return [
        *lines,
        *_plan_service(paths, request, project.key),
        _("then: smoke test, version of the running service, record"),
    ]


def _plan_service(paths: Paths, request: ReleaseRequest, key: str) -> list[str]:
    router = Router(paths.router)
    if not request.canary:
        found = ask_tag(request.port, key) or _("none")
        return [_("restart the service on port {port}, which answers with: {tag}", port=request.port, tag=found)]
    live = get_live_port(router) if router.is_running() else request.old
    if live is None:
        return [_("no service answers: start the first one, behind a router on port {port}", port=request.port)]
    return [
        _(
            "start beside port {live}, which answers with: {tag}; behind a router on port {port}",
            live=live,
            tag=ask_tag(live, key) or _("none"),
            port=request.port,
        ),
        _("then: watch the canary until there is a verdict"),
    ]


def plan_rollback(paths: Paths, request: RollbackRequest, key: str) -> list[str]:
    """Return what a rollback would do, a line each.

    Raises:
        RegistryError: If there is no such version.
    """
    if reason := explain_no_need(paths, request):
        return [reason]
    champion = read_champion(paths.champion)
    version, tag = find_target(paths, request.to)
    running = [
        _("running: {tag} on port {port}", port=each.port, tag=ask_tag(each.port, key) or _("none"))
        for each in list_services(paths)
    ]
    return [
        _(
            "rollback from {current} to {version} ({tag})",
            current=champion.version if champion else "-",
            version=version,
            tag=tag,
        ),
        *running,
        *_list_unfinished(paths),
    ]


def _list_unfinished(paths: Paths) -> list[str]:
    journal = read_journal(paths)
    if journal is None or journal.outcome is not None:
        return []
    last = next(reversed(journal.steps), None) or "-"
    return [
        _(
            "unfinished: {action} of {date}, ended after step {step}; it goes on there",
            action=journal.action,
            date=journal.started_at,
            step=last,
        )
    ]
