"""What a release and a rollback share: their steps with the journal, and a service that answers with a version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from seodang.config.release import ReleaseParams
from seodang.errors import ReleaseError, UnfitForService
from seodang.i18n import _
from seodang.paths import Paths
from seodang.registry.champion import Champion
from seodang.release.journal import Journal, Outcome, ReportWaiting, Step, get_time, record_end, write_journal
from seodang.release.services import (
    ManagedService,
    find_service,
    list_services,
    start_service,
    stop_service,
    wait_until_ready,
)
from seodang.release.smoke import check_version, run_smoke_test
from seodang.release.traffic import ask_tag
from seodang.release.versions import RunningService

Event = Literal["begins", "started", "ends"]
Report = Callable[[Step, Event], None]
"""Gets each step when it begins and when it has ended, and when a service was started and is not ready yet."""
_PUBLIC_LOOKS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project whose versions are put into service, and whom to report to."""

    paths: Paths
    params: ReleaseParams
    key: str
    """Of the services; empty for none."""
    report: Report
    report_waiting: ReportWaiting


@dataclass(slots=True)
class Operation:
    """A release or rollback that runs; its caller holds the lock of the service."""

    project: Project
    journal: Journal

    @contextmanager
    def step(self, name: Step) -> Iterator[None]:
        """Report a step, and note in the journal when it has ended."""
        self.project.report(name, "begins")
        yield
        self.note(steps={**self.journal.steps, name: get_time()})
        self.project.report(name, "ends")

    def note(self, **fields: Any) -> None:
        """Change fields of the journal, and write it."""
        self.journal = self.journal.model_copy(update=fields)
        write_journal(self.project.paths, self.journal)

    def finish(self, outcome: Outcome, reason: str | None = None) -> Journal:
        """Record how it ended, and return the journal; a release of what was champion before has no record."""
        ended = self.journal.model_copy(update={"outcome": outcome, "reason": reason or self.journal.reason})
        with self.step("record"):
            if ended.action == "rollback" or ended.version != ended.previous:
                record_end(self.project.paths, ended)
            self.note(outcome=ended.outcome, reason=ended.reason)
        return self.journal

    def run_service(self, champion: Champion, port: int) -> None:
        """Have a service on a port that answers with a version; a managed service of another version is stopped.

        Raises:
            UnfitForService: If it ends, or is not ready in time.
            ReleaseError: If the port belongs to a program that no release started.
        """
        paths, params, tag = self.project.paths, self.project.params, champion.model_tag
        if ask_tag(port, self.project.key) == tag:
            return
        service = find_service(paths, port=port, tag=tag)
        if service is None:
            for other in list_services(paths):  # one of another version, or what is left of a killed one
                if other.port == port:
                    self.stop(other)
            service = start_service(paths, params, port, tag)
            self.project.report("start", "started")
        wait_until_ready(paths, service, params.start_seconds)

    def check_service(self, champion: Champion, port: int) -> None:
        """Run the smoke test, then ask the running service for its version.

        Raises:
            UnfitForService: If it does not answer as it should, or with another version.
            ServiceUnreachable: If it does not answer.
        """
        service = RunningService(port, self.project.key)
        with self.step("smoke"):
            run_smoke_test(service, self.project.params.smoke_prompts)
        with self.step("verify"):
            check_version(service, champion.model_tag, champion.adapter_sha256)

    def check_public_port(self, champion: Champion) -> None:
        """Ask the port that clients use for the version, several times, because a router may stand there.

        Raises:
            UnfitForService: If it answers with another version.
            ServiceUnreachable: If it does not answer.
        """
        for _look in range(_PUBLIC_LOOKS):
            check_version(RunningService(self.journal.port, self.project.key), champion.model_tag)

    def stop(self, service: ManagedService) -> None:
        """Stop a service after its running requests."""
        stop_service(self.project.paths, service, self.project.params.stop_seconds)

    def stop_others(self, *kept: int | None) -> None:
        """Stop the managed services on other ports."""
        for service in list_services(self.project.paths):
            if service.port not in kept:
                self.stop(service)


def get_detail(error: ReleaseError) -> str:
    """Return why a version does not fit, in English, for the registry."""
    return error.detail if isinstance(error, UnfitForService) else str(error)


def require_champion(champion: Champion | None) -> Champion:
    """Return the champion.

    Raises:
        ReleaseError: If there is none.
    """
    if champion is None:
        raise ReleaseError(_("the registry has no champion; release the packaged model: seodang release"))
    return champion
