"""Scores of a running version, from the counters of its service and of the router. More is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families as parse_metrics

from seodang.canary.evidence import Observations, build_rate
from seodang.release.router import ResponseCounts

ANSWERED: Final = "answered"
"""Requests without an error of the server, among those without an error of the client."""
FAST: Final = "fast"
"""Answers that are complete within a number of seconds."""
STOPPED: Final = "stopped"
"""Answers that end by themselves, and not at the limit of tokens."""
SCORES: Final = (ANSWERED, FAST, STOPPED)

_LATENCY: Final = "vllm:e2e_request_latency_seconds"
_FINISHED: Final = "vllm:request_success_total"
Counters = dict[str, float]
"""Growing numbers: `SCORE.good` and `SCORE.all`."""


def read_counters(metrics: str, responses: ResponseCounts, seconds: float) -> Counters:
    """Return the counters of one version.

    Args:
        metrics: Text of GET /metrics of its service; "" if it does not answer.
        responses: Of its server, as the router counts them.
        seconds: Within which an answer is fast; the next smaller bound of the histogram counts.
    """
    counters = {f"{score}.{kind}": 0.0 for score in SCORES for kind in ("good", "all")}
    counters[f"{ANSWERED}.good"] = float(responses.answered)
    counters[f"{ANSWERED}.all"] = float(responses.answered + responses.failed)
    bounds: dict[float, float] = {}
    for family in parse_metrics(metrics):
        for sample in family.samples:
            if sample.name == f"{_LATENCY}_bucket":
                bound = float(sample.labels["le"])
                bounds[bound] = bounds.get(bound, 0.0) + sample.value
            elif sample.name == _FINISHED and (reason := sample.labels["finished_reason"]) in ("stop", "length"):
                counters[f"{STOPPED}.all"] += sample.value
                counters[f"{STOPPED}.good"] += sample.value if reason == "stop" else 0.0
    counters[f"{FAST}.all"] = bounds.get(math.inf, 0.0)
    counters[f"{FAST}.good"] = max((count for bound, count in bounds.items() if bound <= seconds), default=0.0)
    return counters


@dataclass(slots=True)
class Tally:
    """What a version's counters grew by since a comparison began; a restarted server counts from 0 again."""

    grown: Counters = field(default_factory=dict)
    last: Counters | None = None

    def add(self, counters: Mapping[str, float]) -> None:
        """Add what came since the last reading; the first reading only marks the beginning."""
        if self.last is not None:
            for name, value in counters.items():
                before = self.last.get(name, 0.0)
                self.grown[name] = self.grown.get(name, 0.0) + (value - before if value >= before else value)
        self.last = dict(counters)

    def get_observations(self, score: str) -> Observations:
        """Return how often the score was good, among all requests that have it."""
        total = self.grown.get(f"{score}.all", 0.0)
        # the parts of a reading are not of one instant
        return build_rate(min(self.grown.get(f"{score}.good", 0.0), total), total)
