"""How often the gate promotes an equal model, and how often a better one: simulated models on simulated items.

    python benchmarks/gate_simulation.py [--trials 2000] [--resamples 10000] [--seed 1446]

Two models answer the same items; how hard an item is moves both (correlation 0.5 of what decides their scores). Scores are
right or wrong, or whole marks from 1 to 10 as a judge gives them, or both at once (two metrics, both of which must be better).
The rules are those of `seodang gate` without a rules file. An equal model must be promoted in at most 5 % of the trials;
by design it is 2.5 %, the upper half of a two-sided test, and less with two metrics. The power curve tells how many
items a true difference needs.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy import stats

from seodang.config import GateParams
from seodang.gate.decision import decide
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

ACCURACY = 0.6  # of the champion
MARK, SPREAD = 6.0, 2.5  # of the champion's marks, before they are rounded and cut to 1..10
CORRELATION = 0.5


def rules_of(metrics: list[str], resamples: int, seed: int) -> GateParams:
    """Return the rules of `seodang gate` without a rules file."""
    rule = {"against": "champion", "ask": "better", "higher_is_better": True, "margin": 0.0, "tasks": [], "each": "all"}
    bounds = {"seed": seed, "resamples": resamples, "confidence": 0.95, "power": 0.8, "minimum_items": 20, "floors": []}
    return GateParams.model_validate({**bounds, "rules": [{**rule, "metric": metric} for metric in metrics]})


def latent(rng: np.random.Generator, items: int) -> tuple[Floats, Floats]:
    """Return what decides the two models' scores on each item: standard normal, correlated."""
    shared = rng.normal(size=items)
    own = rng.normal(size=(2, items))
    first, second = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    return first, second


def right_or_wrong(rng: np.random.Generator, items: int, difference: float) -> tuple[Floats, Floats]:
    """Return the scores of candidate and champion; the difference is one of accuracy."""
    candidate, champion = latent(rng, items)
    bounds = stats.norm.ppf([ACCURACY + difference, ACCURACY])
    return (candidate < bounds[0]).astype(float), (champion < bounds[1]).astype(float)


def marks(rng: np.random.Generator, items: int, difference: float) -> tuple[Floats, Floats]:
    """Return the scores of candidate and champion; the difference is one of marks before they are rounded."""
    candidate, champion = latent(rng, items)
    return np.clip(np.rint(MARK + difference + SPREAD * candidate), 1, 10), np.clip(
        np.rint(MARK + SPREAD * champion), 1, 10
    )


MODELS = {"accuracy": right_or_wrong, "marks": marks}


def verdicts(metrics: list[str], items: int, difference: float, trials: int, resamples: int, seed: int) -> Counter[str]:
    """Return how often each verdict was given."""
    found: Counter[str] = Counter()
    for trial in range(trials):
        rng = np.random.default_rng([seed, items, int(difference * 1000), trial])
        pairs = {}
        for metric in metrics:
            candidate, champion = MODELS[metric](rng, items, difference)
            pairs[metric] = Pairs(("t",) * items, ("ko",) * items, tuple(map(str, range(items))), candidate, champion)
        found[decide({"champion": [("champion", pairs)]}, rules_of(metrics, resamples, trial)).verdict] += 1
    return found


def row(name: str, items: int, difference: float, found: Counter[str], trials: int) -> str:
    """Return a line of the table, with the exact interval (Clopper and Pearson 1934) of the share that was promoted."""
    interval = stats.binomtest(found["promote"], trials).proportion_ci(0.95, "exact")
    shares = " | ".join(f"{found[verdict] / trials:.1%}" for verdict in ("promote", "inconclusive", "reject"))
    return f"| {name} | {items} | {difference:g} | {shares} | {interval.low:.1%} to {interval.high:.1%} |"


def settings() -> Iterator[tuple[str, list[str], int, float]]:
    """Yield name, metrics, items and true difference of each line: equal models first, then the power curves."""
    for items in (20, 42, 100, 300, 1000):
        for name, metrics in (("accuracy", ["accuracy"]), ("marks", ["marks"]), ("both", ["accuracy", "marks"])):
            yield name, metrics, items, 0.0
    for items in (42, 100, 300, 1000):
        for difference in (0.02, 0.05, 0.1, 0.2):
            yield "accuracy", ["accuracy"], items, difference
        for difference in (0.25, 0.5, 1.0):
            yield "marks", ["marks"], items, difference


def main() -> None:
    """Print a table, and fail if an equal model is promoted in more than 5 % of the trials anywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    started, worst = time.monotonic(), 0.0
    print(
        "| scores | items | true difference | promote | inconclusive | reject | 95 % interval of promote |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    for name, metrics, items, difference in settings():
        found = verdicts(metrics, items, difference, options.trials, options.resamples, options.seed)
        print(row(name, items, difference, found, options.trials), flush=True)
        worst = max(worst, found["promote"] / options.trials if difference == 0 else 0.0)
    print(
        f"\nequal models: promoted in {worst:.2%} of {options.trials} trials at the most; {time.monotonic() - started:.0f} s"
    )
    if worst > 0.05:
        raise SystemExit("an equal model is promoted too often")


if __name__ == "__main__":
    main()
