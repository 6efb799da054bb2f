"""Simulate canaries: how often an equal one is rolled back, and after how many requests a worse one is.

    python benchmarks/canary.py [--runs 1000] [--worse-runs 300] [--requests 5000] [--seed 1]

A request goes to the candidate with the probability of its share. All scores of `seodang canary watch` are compared:
answered, fast, stopped; valid for 30 % of the requests; liked for 10 %, up to 200 requests after the answer, and half
as often if the answer was cut; and one probe for each 10 requests, which both versions answer: labelled, and correct
for each of five tasks. A slow answer is counted later than a fast one. All runs look after every single request, the
hardest case for a test. Equal versions have the same rates and a margin of 0, where a false rollback is likeliest; 16 %
of their answers to probes differ. For comparison, z is the usual test of two proportions (z > 1.64) for `stopped`
alone, at the same looks. In drifting traffic, the ratings of both versions swing by 10 points up and down with a period
of 1,000 requests. A worse candidate has 10 points fewer in one score, and an acceptable drop (margin) of one point;
each answer is rated if `liked` falls, and each request comes with a probe if `correct` of one of the five tasks falls.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from seodang.canary.evidence import (
    Floats,
    Observations,
    build_rate,
    compute_log_evidence,
    compute_log_product,
    spare_worst,
)
from seodang.canary.pairs import PairCounts, compute_pair_log_evidence

ALPHA, MARGIN, TOLERANCE = 0.05, 0.01, 0.1
RATES = {"answered": 0.999, "fast": 0.95, "stopped": 0.97, "valid": 0.98, "liked": 0.80}
FORMS, RATED, TASKS, REQUESTS_PER_PROBE = 0.3, 0.1, 5, 10
CHANGED = {"labelled": 0.01, **{f"correct:{task}": 0.08 for task in range(TASKS)}}
"""Probes that one of two equal versions answers better, in each direction."""
DROP, SWING, PERIOD, Z = 0.10, 0.10, 1000, 1.6449
SCORES = [*RATES, *CHANGED]
STOPPED = list(RATES).index("stopped")
SLOW, HORIZON = (20, 60), 300
"""Requests until a slow answer is counted, and the longest time until a rating is."""
Runs = NDArray[np.intp]
_THRESHOLD = math.log(len(SCORES) / ALPHA)  # Bonferroni's correction, as in decision.decide


@dataclass(frozen=True, slots=True)
class Scenario:
    """What differs between the versions."""

    name: str
    share: float
    margin: float = 0.0
    worse: str = ""
    """Score that falls by 10 points; empty for equal versions."""
    swing: float = 0.0
    requests_per_probe: int = REQUESTS_PER_PROBE
    rated: float = RATED
    """Share of the answers that are rated."""


@dataclass(slots=True)
class Simulation:
    """The counts of all runs, by score of users' requests, version (0 is the reference) and run."""

    scenario: Scenario
    runs: int
    rng: np.random.Generator
    number: Floats = field(init=False)
    successes: Floats = field(init=False)
    late_number: Floats = field(init=False)
    """What is counted later, by number of the request modulo the horizon."""
    late_successes: Floats = field(init=False)
    pairs: dict[str, Floats] = field(init=False)
    """Lost, equal and gained pairs of a score, shape (3, runs)."""
    fresh: tuple[str, ...] = ()
    """Scores of the last probe, if it came with the last request."""

    def __post_init__(self) -> None:
        shape = (len(RATES), 2, self.runs)
        self.number, self.successes = np.zeros(shape), np.zeros(shape)
        self.late_number, self.late_successes = np.zeros((HORIZON, *shape)), np.zeros((HORIZON, *shape))
        self.pairs = {name: np.zeros((3, self.runs)) for name in CHANGED}

    def send_request(self, request: int) -> None:
        """Let one version of each run answer, and count what is due."""
        self.fresh = ()
        rng, row = self.rng, np.arange(self.runs)
        version = (rng.random(self.runs) < self.scenario.share).astype(int)
        good = {name: rng.random(self.runs) < self._get_rate(name, version) for name in RATES}
        swing = self.scenario.swing * math.sin(2 * math.pi * request / PERIOD)
        # a cut answer is liked half as often; the mean stays, except in a version that is worse in `stopped`
        liked = (self._get_rate("liked", version) + swing) / (0.5 + 0.5 * RATES["stopped"])
        liked = np.where(good["stopped"], liked, 0.5 * liked)
        good["liked"] = rng.random(self.runs) < liked
        ended = np.where(good["fast"], rng.integers(1, 6, self.runs), rng.integers(*SLOW, self.runs))
        exists = {"valid": rng.random(self.runs) < FORMS, "liked": rng.random(self.runs) < self.scenario.rated}
        for score, name in enumerate(RATES):
            delay = ended + (rng.integers(0, 200, self.runs) if name == "liked" else 0)
            due, present = (request + delay) % HORIZON, exists.get(name, np.ones(self.runs, bool))
            self.late_number[due, score, version, row] += present
            self.late_successes[due, score, version, row] += present & good[name]
        now = request % HORIZON
        self.number += self.late_number[now]
        self.successes += self.late_successes[now]
        self.late_number[now] = self.late_successes[now] = 0.0

    def _get_rate(self, name: str, version: NDArray[np.intp]) -> Floats:
        return np.asarray(RATES[name] - DROP * (name == self.scenario.worse) * version)

    def send_probe(self, task: str) -> None:
        """Let both versions of each run answer an item of a task."""
        self.fresh = ("labelled", task)
        for name in self.fresh:
            gained = CHANGED[name]
            lost = gained + DROP * (name == self.scenario.worse)
            drawn = self.rng.random(self.runs)
            outcome = np.where(drawn < lost, 0, np.where(drawn < lost + gained, 2, 1))
            self.pairs[name][outcome, np.arange(self.runs)] += 1

    def get_observations(self, score: int, version: int, runs: Runs) -> Observations:
        """Return one score of one version, for some of the runs."""
        return build_rate(self.successes[score, version, runs], self.number[score, version, runs])

    def find_worse(self, runs: Runs) -> Runs:
        """Return the runs with a score whose evidence reaches the threshold.

        The wealth at any mean is an upper bound of the evidence, and the likelihood ratio is one of the wealth. So the
        minimum is searched for few runs only.
        """
        margin = self.scenario.margin
        found = [
            runs[compute_pair_log_evidence(PairCounts(*self.pairs[name][:, runs]).spare_one(), margin) >= _THRESHOLD]
            for name in self.fresh
        ]
        for score in range(len(RATES)):
            near = runs[self._bound_cheaply(score, runs) >= _THRESHOLD]
            if len(near):
                versions = self.get_observations(score, 0, near), spare_worst(self.get_observations(score, 1, near))
                mean = self._estimate_mean(score, near)
                is_near = compute_log_product(*versions, margin, mean) >= _THRESHOLD
                near = near[is_near]
            if len(near):
                versions = self.get_observations(score, 0, near), spare_worst(self.get_observations(score, 1, near))
                found.append(near[compute_log_evidence(*versions, margin) >= _THRESHOLD])
        return np.unique(np.concatenate(found)) if found else runs[:0]

    def _estimate_mean(self, score: int, runs: Runs) -> Floats:
        """Return the mean of the reference if the candidate were worse by the margin."""
        number = self.number[score][:, runs]
        total = self.successes[score][:, runs].sum(0) + self.scenario.margin * number[1]
        return np.asarray(np.minimum(total / np.maximum(number.sum(0), 1), 1.0))

    def _bound_cheaply(self, score: int, runs: Runs) -> Floats:
        """Return the logarithm of the likelihood ratio of both versions, of which no bet can win more."""
        number, successes = self.number[score][:, runs], self.successes[score][:, runs]
        mean = self._estimate_mean(score, runs)
        total = np.zeros(len(runs))
        for version, (null, sign) in enumerate(((mean, 1), (np.maximum(mean - self.scenario.margin, 0.0), -1))):
            rate = successes[version] / np.maximum(number[version], 1)
            failures = number[version] - successes[version]
            with np.errstate(divide="ignore", invalid="ignore"):
                gain = xlogy(successes[version], rate / null) + xlogy(failures, (1 - rate) / (1 - null))
            total += np.where((rate - null) * sign > 0, gain, 0.0)
        return total

    def compute_z(self) -> Floats:
        """Return the statistic of the test of two proportions for `stopped`; 0 below 30 observations per version."""
        number, successes = self.number[STOPPED], self.successes[STOPPED]
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = successes.sum(0) / number.sum(0)
            difference = successes[0] / number[0] - successes[1] / number[1]
            z = difference / np.sqrt(pooled * (1 - pooled) * (1 / number[0] + 1 / number[1]))
        return np.where((number.min(0) >= 30) & np.isfinite(z), z, 0.0)

    def is_not_worse(self, run: int) -> bool:
        """Return whether each score but the optional ones has evidence that its drop is below the tolerance."""
        at, threshold = np.array([run]), math.log(1 / ALPHA)
        evidence = [
            compute_log_evidence(
                self.get_observations(score, 1, at), self.get_observations(score, 0, at), -TOLERANCE
            ).item()
            for score, name in enumerate(RATES)
            if name in ("answered", "fast", "stopped")
        ]
        evidence += [
            compute_pair_log_evidence(PairCounts(*pairs[:, at]).swap(), -TOLERANCE).item()
            for pairs in self.pairs.values()
        ]
        return min(evidence) >= threshold


def simulate(scenario: Scenario, runs: int, requests: int, seed: int) -> tuple[Floats, Floats, float]:
    """Return when each run has the verdict `worse`, when by the z test, and how many are `not_worse` at the end.

    A run without the verdict has infinity.
    """
    simulation = Simulation(scenario, runs, np.random.default_rng([seed, round(scenario.share * 1000)]))
    found, found_by_z = np.full(runs, np.inf), np.full(runs, np.inf)
    for request in range(1, requests + 1):
        simulation.send_request(request)
        if request % scenario.requests_per_probe == 0:
            simulation.send_probe(f"correct:{request // scenario.requests_per_probe % TASKS}")
        open_runs = np.flatnonzero(np.isinf(found))
        if not len(open_runs):
            break
        found[simulation.find_worse(open_runs)] = request
        found_by_z[np.isinf(found_by_z) & (simulation.compute_z() > Z)] = request
    kept = np.mean([simulation.is_not_worse(run) for run in range(min(runs, 100))])
    return found, found_by_z, float(kept)


def list_scenarios() -> list[Scenario]:
    """Return equal versions, then worse candidates."""
    equal = [Scenario("equal", share) for share in (0.1, 0.25, 0.5)]
    drifting = [Scenario("equal, drifting ratings", 0.25, swing=SWING)]
    worse = [
        *(Scenario(name, 0.25, MARGIN, name) for name in ("answered", "fast", "stopped", "valid", "labelled")),
        Scenario("liked", 0.25, MARGIN, "liked", rated=1.0),
        Scenario("correct:0", 0.25, MARGIN, "correct:0", requests_per_probe=1),
    ]
    small = [Scenario(name, 0.1, MARGIN, name) for name in ("answered", "stopped")]
    return [*equal, *drifting, *worse, *small]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="of equal versions")
    parser.add_argument("--worse-runs", type=int, default=300, help="of a worse candidate")
    parser.add_argument("--requests", type=int, default=5000, help="the last one that is looked at")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| candidate | share | rolled back | by z | median requests | 95 % of runs | not worse at the end | s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for scenario in list_scenarios():
        started = time.monotonic()
        runs = options.worse_runs if scenario.worse else options.runs
        found, by_z, kept = simulate(scenario, runs, options.requests, options.seed)
        middle, late = np.quantile(found, [0.5, 0.95], method="inverted_cdf")
        cells = [
            scenario.name,
            f"{scenario.share:.0%}",
            f"{np.isfinite(found).mean():.1%}",
            "" if scenario.worse else f"{np.isfinite(by_z).mean():.1%}",
            *(f"{value:,.0f}" if scenario.worse and math.isfinite(value) else "" for value in (middle, late)),
            "" if scenario.worse else f"{kept:.0%}",
            f"{time.monotonic() - started:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
