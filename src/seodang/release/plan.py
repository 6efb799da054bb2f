"""What a release or a rollback would do, without doing it."""

from __future__ import annotations

from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.candidate import load_candidate
from seodang.registry.champion import read_champion
from seodang.release.journal import read_journal
from seodang.release.release import ReleaseRequest
from seodang.release.rollback import RollbackRequest, explain_no_need, find_target
from seodang.release.router import Router
from seodang.release.services import list_services
from seodang.release.traffic import ask_tag, get_live_port


def plan_release(paths: Paths, request: ReleaseRequest, key: str) -> list[str]:
    """Return what a release would do, a line each.

    Raises:
        NotPromoted: If the verdict is not `promote`.
        SeodangError: If the packaged model cannot be used.
    """
    candidate, champion = load_candidate(paths), read_champion(paths.champion)
    is_champion = champion is not None and champion.weights_sha256 == candidate.weights_sha256
    scores = ", ".join(f"{name} {value:.3f}" for name, value in candidate.scores.items() if value is not None)
    lines = [
        _("packaged model: {tag}, verdict: {verdict}", tag=candidate.model_tag, verdict=candidate.verdict),
        _("scores: {scores}", scores=scores),
        _(
            "champion: {version} ({tag})",
            version=champion.version if champion else _("none"),
            tag=champion.model_tag if champion else "-",
        ),
        _("promote: these weights are the champion already") if is_champion else _("promote: the next version"),
        *_list_unfinished(paths),
    ]
    return [*lines, *_plan_service(paths, request, key), _("then: smoke test, version of the running service, record")]


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
