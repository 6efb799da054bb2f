"""Simulate canaries: how often an equal one is rolled back, and after how many requests a worse one is.

    python benchmarks/canary.py [--runs 1000] [--requests 5000] [--seed 1]

A request goes to the candidate with the probability of its share, and has five scores: no error, fast, complete, valid
format, correct answer. All runs look after every single request, the hardest case for a test. Equal versions differ by
nothing (margin 0, where a false rollback is likeliest). For comparison, z is the usual test of two proportions (z >
1.64) for the correct answers alone, at the same looks. In drifting traffic, the correct answers of both versions swing
by 10 points up and down with a period of 1,000 requests. A worse candidate has 10 points fewer in one score, and an
acceptable drop (margin) of one point.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from seodang.canary.evidence import Floats, Observations, build_rate, compute_log_evidence, compute_log_product

ALPHA, MARGIN, TOLERANCE = 0.05, 0.01, 0.05
SCORES = {"no error": 0.999, "fast": 0.95, "complete": 0.97, "valid format": 0.98, "correct answer": 0.80}
DROP, SWING, PERIOD, Z = 0.10, 0.10, 1000, 1.6449
Runs = NDArray[np.intp] | np.intp
_THRESHOLD = math.log(1 / ALPHA)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What differs between the versions."""

    name: str
    share: float
    margin: float = 0.0
    drops: dict[str, float] = field(default_factory=dict)
    swing: float = 0.0


@dataclass(slots=True)
class Counts:
    """Requests and successes of all runs, by version (0 is the reference)."""

    number: Floats
    """Shape (2, runs)."""
    successes: Floats
    """Shape (scores, 2, runs)."""

    def get_observations(self, score: int, version: int, runs: Runs) -> Observations:
        """Return one score of one version, for some of the runs."""
        return build_rate(self.successes[score, version, runs], self.number[version, runs])


def simulate(scenario: Scenario, runs: int, requests: int, seed: int) -> tuple[Floats, Floats, float]:
    """Return when each run has the verdict `worse`, when by the z test, and how many are `not_worse` at the end.

    A run without the verdict has infinity.
    """
    rng = np.random.default_rng([seed, round(scenario.share * 1000)])
    counts = Counts(np.zeros((2, runs)), np.zeros((len(SCORES), 2, runs)))
    found, found_by_z = np.full(runs, np.inf), np.full(runs, np.inf)
    rates = np.array([[rate, rate - scenario.drops.get(name, 0.0)] for name, rate in SCORES.items()])
    row = np.arange(runs)
    for request in range(1, requests + 1):
        version = (rng.random(runs) < scenario.share).astype(int)
        now = rates.copy()
        now[-1] += scenario.swing * math.sin(2 * math.pi * request / PERIOD)
        counts.number[version, row] += 1
        for score in range(len(SCORES)):
            counts.successes[score, version, row] += rng.random(runs) < now[score, version]
        open_runs = row[np.isinf(found)]
        if not len(open_runs):
            break
        found[find_worse(counts, open_runs, scenario.margin)] = request
        is_new = np.isinf(found_by_z) & (compute_z(counts) > Z)
        found_by_z[is_new] = request
    kept = np.mean([is_not_worse(counts, run) for run in row[:100]])
    return found, found_by_z, float(kept)


def find_worse(counts: Counts, runs: NDArray[np.intp], margin: float) -> NDArray[np.intp]:
    """Return the runs whose evidence reaches the threshold.

    The wealth at any mean is an upper bound of the evidence, and the likelihood ratio is one of the wealth. So the
    minimum is searched for few runs only.
    """
    runs = runs[_average([_bound_cheaply(counts, score, runs, margin) for score in range(len(SCORES))]) >= _THRESHOLD]
    if not len(runs):
        return runs
    bounds = []
    for score in range(len(SCORES)):
        versions = counts.get_observations(score, 0, runs), counts.get_observations(score, 1, runs)
        bounds.append(compute_log_product(*versions, margin, _estimate_mean(counts, score, runs, margin)))
    near = runs[_average(bounds) >= _THRESHOLD]
    if not len(near):
        return near
    exact = [
        compute_log_evidence(counts.get_observations(score, 0, near), counts.get_observations(score, 1, near), margin)
        for score in range(len(SCORES))
    ]
    return np.asarray(near[_average(exact) >= _THRESHOLD])


def _estimate_mean(counts: Counts, score: int, runs: NDArray[np.intp], margin: float) -> Floats:
    """Return the mean of the reference if the candidate were worse by the margin."""
    number = counts.number[:, runs]
    return np.asarray(np.minimum((counts.successes[score][:, runs].sum(0) + margin * number[1]) / number.sum(0), 1.0))


def _bound_cheaply(counts: Counts, score: int, runs: NDArray[np.intp], margin: float) -> Floats:
    """Return the logarithm of the likelihood ratio of both versions, of which no bet can win more."""
    number, successes = counts.number[:, runs], counts.successes[score][:, runs]
    mean = _estimate_mean(counts, score, runs, margin)
    total = np.zeros(len(runs))
    for version, (null, sign) in enumerate(((mean, 1), (np.maximum(mean - margin, 0.0), -1))):
        rate = successes[version] / np.maximum(number[version], 1)
        failures = number[version] - successes[version]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = xlogy(successes[version], rate / null) + xlogy(failures, (1 - rate) / (1 - null))
        total += np.where((rate - null) * sign > 0, gain, 0.0)
    return total


def _average(logs: list[Floats]) -> Floats:
    return np.asarray(np.logaddexp.reduce(np.array(logs), axis=0) - math.log(len(logs)))


def compute_z(counts: Counts) -> Floats:
    """Return the statistic of the test of two proportions for the last score; 0 below 30 observations per version."""
    number, successes = counts.number, counts.successes[-1]
    pooled = successes.sum(0) / number.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = successes[0] / number[0] - successes[1] / number[1]
        z = difference / np.sqrt(pooled * (1 - pooled) * (1 / number[0] + 1 / number[1]))
    return np.where((number.min(0) >= 30) & np.isfinite(z), z, 0.0)


def is_not_worse(counts: Counts, run: np.intp) -> bool:
    """Return whether each score of a run has evidence that its drop is below the tolerance."""
    pairs = [
        (counts.get_observations(score, 1, run), counts.get_observations(score, 0, run)) for score in range(len(SCORES))
    ]
    return all(compute_log_evidence(candidate, reference, -TOLERANCE) >= _THRESHOLD for candidate, reference in pairs)


def list_scenarios() -> list[Scenario]:
    """Return equal versions, then worse candidates."""
    shares = (0.1, 0.25, 0.5)
    equal = [Scenario("equal", share) for share in shares]
    drifting = [Scenario("equal, drifting traffic", 0.25, swing=SWING)]
    worse = [
        Scenario(f"{name} {SCORES[name]:.3g} to {SCORES[name] - DROP:.3g}", share, MARGIN, {name: DROP})
        for name in ("no error", "valid format", "correct answer")
        for share in shares
    ]
    return [*equal, *drifting, *worse]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=5000, help="the last one that is looked at")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| candidate | share | worse | by z | median requests | 95 % of runs | not worse at the end | s |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for scenario in list_scenarios():
        started = time.monotonic()
        found, by_z, kept = simulate(scenario, options.runs, options.requests, options.seed)
        middle, late = np.quantile(found, [0.5, 0.95], method="inverted_cdf")
        cells = [
            scenario.name,
            f"{scenario.share:.0%}",
            f"{np.isfinite(found).mean():.1%}",
            f"{np.isfinite(by_z).mean():.1%}" if not scenario.drops else "",
            *(f"{value:,.0f}" if scenario.drops and math.isfinite(value) else "" for value in (middle, late)),
            f"{kept:.0%}" if not scenario.drops else "",
            f"{time.monotonic() - started:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
