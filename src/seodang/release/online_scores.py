"""Scores of a running version, from the counters of its service and of the router. More is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families as parse_metrics
from prometheus_client.samples import Sample

from seodang.canary.evidence import Observations, build_rate
from seodang.release.router import ResponseCounts

ANSWERED: Final = "answered"
"""Requests without an error of the server, among those without an error of the client."""
FAST: Final = "fast"
"""Answers that are complete within a number of seconds: a rate, so that no single slow answer decides."""
STOPPED: Final = "stopped"
"""Answers that end by themselves, and not at the limit of tokens."""
VALID: Final = "valid"
"""Answers in the form of their request, among those with a form."""
LIKED: Final = "liked"
"""Answers with a good rating, among the rated ones."""
SCORES: Final = (ANSWERED, FAST, STOPPED, VALID, LIKED)

Counters = dict[str, float]
"""Growing numbers: `SCORE.good` and `SCORE.all`. `SCORE.probe_good` and `SCORE.probe_all` count the probes among them,
which are more frequent among the requests of a version with a small share."""
_PROBE: Final = "probe_"
_LATENCIES: Final = {"vllm:e2e_request_latency_seconds": "", "seodang:probe_latency_seconds": _PROBE}
_ENDS: Final = {"vllm:request_success_total": "", "seodang:probe_success_total": _PROBE}


def read_counters(metrics: str, responses: ResponseCounts, seconds: float) -> Counters:
    """Return the counters of one version.

    Args:
        metrics: Text of GET /metrics of its service; "" if it does not answer.
        responses: Of its server, as the router counts them.
        seconds: Within which an answer is fast; the next smaller bound of the histogram counts.

    Returns:
        All counters; without metrics only those of the router.
    """
    counters = {
        f"{ANSWERED}.good": float(responses.answered),
        f"{ANSWERED}.all": float(responses.answered + responses.failed),
    }
    samples = [sample for family in parse_metrics(metrics) for sample in family.samples]
    if not samples:  # 0 would look like a restart, after which the counts of all its time would be new
        return counters
    for name, prefix in _LATENCIES.items():
        bounds = _add_buckets(_select(samples, f"{name}_bucket"))
        counters[f"{FAST}.{prefix}all"] = bounds.get(math.inf, 0.0)
        counters[f"{FAST}.{prefix}good"] = max((n for bound, n in bounds.items() if bound <= seconds), default=0.0)
    for name, prefix in _ENDS.items():
        ended = [each for each in _select(samples, name) if each.labels["finished_reason"] in ("stop", "length")]
        counters |= _count_rate(f"{STOPPED}.{prefix}", ended, "finished_reason", "stop")
    counters |= _count_rate(f"{VALID}.", _select(samples, "seodang:form_answers_total"), "valid", "true")
    counters |= _count_rate(f"{LIKED}.", _select(samples, "seodang:ratings_total"), "rating", "up")
    return counters


def _select(samples: Iterable[Sample], name: str) -> list[Sample]:
    return [sample for sample in samples if sample.name == name]


def _add_buckets(samples: Iterable[Sample]) -> dict[float, float]:
    """Return the cumulative counts of a histogram by upper bound, for all models of a service together."""
    bounds: dict[float, float] = {}
    for sample in samples:
        bound = float(sample.labels["le"])
        bounds[bound] = bounds.get(bound, 0.0) + sample.value
    return bounds


def _count_rate(name: str, samples: Iterable[Sample], label: str, good: str) -> Counters:
    """Return how many events there are, and how many of them have the good value of a label."""
    counts = [(sample.value, sample.labels[label] == good) for sample in samples]
    return {
        f"{name}all": sum(value for value, _is_good in counts),
        f"{name}good": sum(value for value, is_good in counts if is_good),
    }


@dataclass(slots=True)
class Tally:
    """What a version's counters grew by since a comparison began; a restarted server counts from 0 again."""

    grown: Counters = field(default_factory=dict)
    last: Counters = field(default_factory=dict)

    def add(self, counters: Mapping[str, float]) -> None:
        """Add what came since the last reading; the first reading of a counter only marks its beginning.

        Args:
            counters: A part of them is enough: the next reading of a missing one is compared with its last one.
        """
        for name, value in counters.items():
            before = self.last.get(name, value)
            self.grown[name] = self.grown.get(name, 0.0) + (value - before if value >= before else value)
        self.last.update(counters)

    def get_observations(self, score: str) -> Observations:
        """Return how often the score was good, among all requests of users that have it."""
        total, good = self._subtract_probes(score, "all"), self._subtract_probes(score, "good")
        return build_rate(min(good, total), total)  # the parts of a reading are not of one instant

    def _subtract_probes(self, score: str, kind: str) -> float:
        number = self.grown.get(f"{score}.{kind}", 0.0) - self.grown.get(f"{score}.{_PROBE}{kind}", 0.0)
        return max(number, 0.0)
