"""`seodang canary route | watch`: a new version answers a share of the requests, and is rolled back if it is worse."""

from __future__ import annotations

import logging
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from seodang.cli.api_key import read_key
from seodang.cli.serve import check_address
from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.canary.decision import ScoreComparison, ScoreSummary
    from seodang.config import CanaryParams
    from seodang.release.router import Role, Router
    from seodang.release.versions import RunningService
    from seodang.release.watch import CompareProbes, Outcome, ReadCounters

logger = logging.getLogger(__name__)
_HOST: Final = "127.0.0.1"
_EXIT_CODES: Final = {"kept": 0, "rolled_back": 3, "undecided": 4}
OldPort = Annotated[int, typer.Option(min=1, max=65535, help=_("Port of the service that answers today."))]
NewPort = Annotated[int, typer.Option(min=1, max=65535, help=_("Port of the service with the new version."))]


def create_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help=_("Let a new version answer a share of the requests, and roll back if it is worse."))
    app.command("route", help=_("Run the router (HAProxy) until interrupted; the old version answers everything."))(
        route
    )
    app.command("watch", help=_("Give the new version its share until there is a verdict (exit code 0, 3 or 4)."))(
        watch
    )
    return app


def route(
    old: OldPort,
    new: NewPort,
    port: Annotated[int, typer.Option(min=1, max=65535, help=_("Port that clients connect to."))] = 3000,
) -> int:
    """Run HAProxy in the foreground.

    Raises:
        SeodangError: If HAProxy is not installed or the port cannot be used; exit code 2.
    """
    from seodang.release.router import find_program, write_config

    program = find_program()
    check_address(_HOST, port)
    folder = Paths(Path.cwd()).router
    config = write_config(folder, address=_HOST, port=port, reference=old, candidate=new)
    print_lines(
        [_("requests to http://{host}:{port} go to port {old} (Ctrl-C to stop)", host=_HOST, port=port, old=old)]
    )
    os.chdir(folder)
    os.execv(program, [program, "-db", "-f", config.name])


def watch(
    old: OldPort,
    new: NewPort,
    event: Annotated[
        bool,
        typer.Option(
            "--event", help=_("Let an automation of Prefect roll back (PREFECT_API_URL); without one, roll back.")
        ),
    ] = False,
) -> int:
    """Watch the new version until there is a verdict; Ctrl-C gives everything back to the old one.

    Raises:
        SeodangError: If a service or the router does not answer, or the registry has other versions; exit code 2 or 75.
    """
    return _EXIT_CODES[watch_services(old, new, uuid.uuid4().hex[:12], event=event)]


def watch_services(old: int, new: int, canary: str, *, event: bool) -> Outcome:
    """Watch a canary of two services behind the router, print its scores, and return how it ended.

    Args:
        old: Port of the service that answers today.
        new: Port of the service with the champion.
        canary: Unique id.
        event: Let an automation of Prefect roll back.

    Raises:
        SeodangError: As `watch` does.
    """
    from seodang.config.load import load_params
    from seodang.registry.champion import read_champion
    from seodang.release.fall import Fall, GuardedTraffic, require_api_url, roll_back_by_automation
    from seodang.release.journal import hold_service
    from seodang.release.router import Router
    from seodang.release.versions import RunningService, check_champion, roll_back_champion
    from seodang.release.watch import hold_watch, watch_canary

    if event:
        require_api_url()
    paths, key = Paths(Path.cwd()), read_key()
    all_params, router = load_params(paths.params), Router(paths.router)
    params = all_params.canary
    services: dict[Role, RunningService] = {
        "reference": RunningService(old, key),
        "candidate": RunningService(new, key),
    }
    reference, candidate = (service.ask_version() for service in services.values())
    version = check_champion(paths, reference, candidate)
    champion = read_champion(paths.champion)
    assert champion is not None  # check_champion has looked
    print_lines([_describe_start(reference, candidate, params.share)])

    def roll_back(reason: str) -> None:
        print_lines([_("rollback to {version}: {reason}", version=version, reason=reason)])
        if event:
            fall = Fall(canary=canary, worse=champion.version, version=version, reason=reason)
            roll_back_by_automation(paths, fall, all_params.release.automation_seconds)
        else:
            with hold_service(paths, lambda _holder: None):
                roll_back_champion(paths, version, reason)

    with hold_watch(paths.router), _compare_probes(paths, params, services) as compare_probes:
        read = _build_reader(router, services, params.fast_seconds)
        traffic = GuardedTraffic(router, paths, candidate)
        end = watch_canary(traffic, read, params, roll_back, partial(_report, 1 / params.alpha), compare_probes)
    _print_scores(end.scores)
    print_lines([_describe_outcome(end.outcome)])
    return end.outcome


def _build_reader(router: Router, services: Mapping[Role, RunningService], seconds: float) -> ReadCounters:
    """Return the function that reads the counters of a version from its service and from the router."""
    from seodang.release.online_scores import read_counters

    return lambda role: read_counters(services[role].read_metrics(), router.count_responses()[role], seconds)


@contextmanager
def _compare_probes(
    paths: Paths, params: CanaryParams, services: Mapping[Role, RunningService]
) -> Iterator[CompareProbes]:
    """Ask both versions probes until the context ends; yields the function that compares the answers so far."""
    from seodang.release.probes import Probe, ProbeTally, read_probes, send_probes

    tally = ProbeTally(read_probes(paths, params.probes) if params.probes.per_minute else [])
    if not tally.probes:
        yield list
        return

    def ask(role: Role, probe: Probe) -> str | None:
        return services[role].ask_probe(probe.instruction, probe.input)

    with send_probes(ask, tally, params.probes.per_minute, secrets.randbits(64)) as check:

        def compare() -> list[ScoreComparison]:
            check()
            return tally.build_comparisons(params.scores)

        yield compare


def _report(limit: float, requests: int, evidence: float) -> None:
    logger.info(
        _(
            "requests of the new version: {requests}; evidence that it is worse: {evidence:.3g} of {limit:g}",
            requests=requests,
            evidence=evidence,
            limit=limit,
        )
    )


def _describe_start(reference: str, candidate: str, share: float) -> str:
    return _(
        "{candidate} gets {share:.0%} of the requests of {reference}",
        candidate=candidate,
        share=share,
        reference=reference,
    )


def _describe_outcome(outcome: Outcome) -> str:
    if outcome == "kept":
        return _("kept: the new version answers all requests")
    if outcome == "rolled_back":
        return _("rolled back: the old version answers all requests")
    return _("undecided: the old version answers all requests, and the registry has not changed")


def _print_scores(scores: list[ScoreSummary]) -> None:
    """Print the scores of both versions."""
    headings = [_("score"), _("old"), _("new"), _("difference"), _("requests")]
    rows = [
        [
            each.name,
            f"{each.reference_mean:.3f}",
            f"{each.candidate_mean:.3f}",
            f"{each.candidate_mean - each.reference_mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]",
            f"{each.reference_number} / {each.candidate_number}",
        ]
        for each in scores
    ]
    print_table(headings, rows)
