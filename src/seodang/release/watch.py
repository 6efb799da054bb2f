"""Watch a candidate in service and end its canary once: roll back if it is worse, keep it if it is not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from filelock import FileLock, Timeout

from seodang.canary.decision import CanaryDecision, ScoreComparison, ScoreSummary, decide, summarize_score
from seodang.config.canary import CanaryParams
from seodang.errors import ReleaseError
from seodang.i18n import _
from seodang.release.online_scores import ANSWERED, Counters, Tally
from seodang.release.router import ROLES, Role

Outcome = Literal["kept", "rolled_back", "undecided"]
ReadCounters = Callable[[Role], Counters]
"""Reads the counters of one version."""
CompareProbes = Callable[[], list[ScoreComparison]]
"""Returns the comparisons of the answers to probes; their list is the same at each look."""
_LARGEST_LOG: Final = 700.0  # of a float
_LOOKS_DOWN: Final = 3  # in a row, after which a candidate that fails its health checks is rolled back


class Traffic(Protocol):
    """What a watch needs of a router."""

    def set_share(self, share: float) -> None:
        """Send a share of new requests to the candidate."""
        ...

    def is_up(self, role: Role) -> bool:
        """Return whether the health checks of a server succeed."""
        ...


@dataclass(slots=True)
class Comparison:
    """Compares two versions since the first look; the share of requests stays as it is."""

    params: CanaryParams
    compare_probes: CompareProbes = list
    """Without probes there are no further scores."""
    tallies: dict[Role, Tally] = field(default_factory=lambda: {role: Tally() for role in ROLES})

    def look(self, read: ReadCounters) -> CanaryDecision:
        """Read the counters of both versions and return the decision."""
        for role in ROLES:
            self.tallies[role].add(read(role))
        return decide(self._build_scores(), self.params.alpha)

    def count_requests(self) -> int:
        """Return the requests that the candidate has received."""
        return int(self.tallies["candidate"].get_observations(ANSWERED).compute_number())

    def summarize(self) -> list[ScoreSummary]:
        """Return the scores that both versions have, with intervals."""
        scores = self._build_scores()
        has_both = (all(one.compute_number() for one in (each.reference, each.candidate)) for each in scores)
        return [summarize_score(each, self.params.alpha) for each, both in zip(scores, has_both, strict=True) if both]

    def _build_scores(self) -> list[ScoreComparison]:
        counted = [
            ScoreComparison(
                name=name,
                reference=self.tallies["reference"].get_observations(name),
                candidate=self.tallies["candidate"].get_observations(name),
                margin=limit.margin,
                tolerance=limit.tolerance,
            )
            for name, limit in self.params.scores.list_counted().items()
        ]
        return [*counted, *self.compare_probes()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryEnd:
    """How a canary ended."""

    outcome: Outcome
    reason: str
    """English, because the registry stores it in git."""
    scores: list[ScoreSummary]


def watch_canary(
    traffic: Traffic,
    read: ReadCounters,
    params: CanaryParams,
    roll_back: Callable[[str], None],
    report: Callable[[int, float], None] = lambda _requests, _evidence: None,
    compare_probes: CompareProbes = list,
) -> CanaryEnd:
    """Give the candidate its share, look until there is a verdict, and return how the canary ended.

    A worse candidate, or one that is down, first loses its share, so that the old version answers from the next request
    on; then `roll_back` is called, once. If anything fails or interrupts this function, the candidate loses its share.

    Args:
        traffic: The router.
        read: Reads the counters of a version.
        params: Share, limits and times.
        roll_back: Records the rollback with its reason.
        report: Gets the requests of the candidate and the evidence that it is worse, at each look.
        compare_probes: Returns the comparisons of the answers to probes.
    """
    comparison, looks_down = Comparison(params, compare_probes), 0
    deadline = time.monotonic() + params.max_hours * 3600
    try:
        comparison.look(read)  # marks the beginning
        traffic.set_share(params.share)
        while True:
            time.sleep(params.look_seconds)
            decision = comparison.look(read)
            report(comparison.count_requests(), compute_evidence(decision))
            looks_down = 0 if traffic.is_up("candidate") else looks_down + 1
            if decision.verdict == "not_worse":
                traffic.set_share(1.0)
                return _end("kept", "canary: no score is worse", comparison)
            if decision.verdict == "worse" or looks_down == _LOOKS_DOWN:
                break
            if comparison.count_requests() >= params.max_requests or time.monotonic() > deadline:
                traffic.set_share(0.0)
                return _end("undecided", f"canary: undecided after {comparison.count_requests()} requests", comparison)
    except BaseException:
        traffic.set_share(0.0)
        raise
    traffic.set_share(0.0)
    is_worse = decision.verdict == "worse"
    reason = format_reason(decision, comparison.summarize()) if is_worse else "canary: its health checks fail"
    roll_back(reason)
    return _end("rolled_back", reason, comparison)


@contextmanager
def hold_watch(folder: Path) -> Iterator[None]:
    """Allow one watch of a router at a time: two would roll back twice, and set the share against each other.

    Args:
        folder: Of the router.

    Raises:
        ReleaseError: If another process watches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "watch.lock", timeout=0):
            yield
    except Timeout as error:
        raise ReleaseError(_("another seodang canary watch is running in this project; wait until it ends")) from error


def _end(outcome: Outcome, reason: str, comparison: Comparison) -> CanaryEnd:
    return CanaryEnd(outcome=outcome, reason=reason, scores=comparison.summarize())


def format_reason(decision: CanaryDecision, scores: list[ScoreSummary]) -> str:
    """Return why a candidate is worse: the score with most evidence, its means, and the bounds of their difference."""
    name = next(iter(decision.log_evidence_by_score))
    evidence = f"evidence {compute_evidence(decision):.3g}"
    for each in scores:
        if each.name == name:
            difference = each.candidate_mean - each.reference_mean
            return (
                f"canary: {name} {each.reference_mean:.3f} -> {each.candidate_mean:.3f}, {difference:+.3f} "
                f"[{each.low:+.3f}, {each.high:+.3f}] after {each.candidate_number} requests, {evidence}"
            )
    return f"canary: {name}, {evidence}"


def compute_evidence(decision: CanaryDecision) -> float:
    """Return the evidence that the candidate is worse; from 1 / alpha on it is."""
    return math.exp(min(decision.log_evidence, _LARGEST_LOG))
