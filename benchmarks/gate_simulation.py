"""Simulate how often the gate promotes an equal model, and how often a better one.

    python benchmarks/gate_simulation.py [--trials 2000] [--resamples 10000] [--seed 1446]

Two models answer the same items. The difficulty of an item affects both, with a correlation of 0.5 between their latent
scores. Scores are 0 or 1, or integer marks from 1 to 10 as a judge gives them, or both (two metrics, both of which must
be better). The rules are those of `seodang gate` without a rules file. The gate must promote an equal model in at most
5 % of the trials. By design it is 2.5 %, the upper half of a two-sided test, and less with two metrics. The power curve
shows how many items a true difference needs.
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
MARK, SPREAD = 6.0, 2.5  # mean and standard deviation of the champion's marks before rounding and clipping to 1..10
CORRELATION = 0.5


def build_rules(metrics: list[str], resamples: int, seed: int) -> GateParams:
    """Return the rules of `seodang gate` without a rules file."""
    settings = {"seed": seed, "resamples": resamples, "confidence": 0.95, "power": 0.8, "minimum_items": 20}
    rule = {"against": "champion", "test": "superiority", "higher_is_better": True, "margin": 0.0}
    rules = [{**rule, "tasks": [], "group_by": "all", "metric": metric} for metric in metrics]
    return GateParams.model_validate({**settings, "thresholds": [], "rules": rules})


def draw_latent_scores(rng: np.random.Generator, items: int) -> tuple[Floats, Floats]:
    """Return the latent scores of the two models on each item: standard normal, correlated."""
    shared = rng.normal(size=items)
    independent = rng.normal(size=(2, items))
    first, second = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * independent
    return first, second


def draw_accuracy(rng: np.random.Generator, items: int, difference: float) -> tuple[Floats, Floats]:
    """Return the scores of candidate and champion; the difference is in accuracy."""
    candidate, champion = draw_latent_scores(rng, items)
    bounds = stats.norm.ppf([ACCURACY + difference, ACCURACY])
    return (candidate < bounds[0]).astype(float), (champion < bounds[1]).astype(float)


def draw_marks(rng: np.random.Generator, items: int, difference: float) -> tuple[Floats, Floats]:
    """Return the scores of candidate and champion; the difference is in marks before rounding."""
    candidate, champion = draw_latent_scores(rng, items)
    return np.clip(np.rint(MARK + difference + SPREAD * candidate), 1, 10), np.clip(
        np.rint(MARK + SPREAD * champion), 1, 10
    )


MODELS = {"accuracy": draw_accuracy, "marks": draw_marks}


def count_verdicts(
    metrics: list[str], items: int, difference: float, trials: int, resamples: int, seed: int
) -> Counter[str]:
    """Return the number of trials with each verdict."""
    counts: Counter[str] = Counter()
    for trial in range(trials):
        rng = np.random.default_rng([seed, items, int(difference * 1000), trial])
        pairs = {}
        for metric in metrics:
            candidate, champion = MODELS[metric](rng, items, difference)
            pairs[metric] = Pairs(("t",) * items, ("ko",) * items, tuple(map(str, range(items))), candidate, champion)
        counts[decide({"champion": [("champion", pairs)]}, build_rules(metrics, resamples, trial)).verdict] += 1
    return counts


def format_row(name: str, items: int, difference: float, counts: Counter[str], trials: int) -> str:
    """Return a line of the table, with the exact interval (Clopper and Pearson 1934) of the promotion rate."""
    interval = stats.binomtest(counts["promote"], trials).proportion_ci(0.95, "exact")
    rates = " | ".join(f"{counts[verdict] / trials:.1%}" for verdict in ("promote", "inconclusive", "reject"))
    return f"| {name} | {items} | {difference:g} | {rates} | {interval.low:.1%} to {interval.high:.1%} |"


def iter_settings() -> Iterator[tuple[str, list[str], int, float]]:
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
    """Print a table, and fail if an equal model is promoted in more than 5 % of the trials of a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    start, worst = time.monotonic(), 0.0
    print(
        "| scores | items | true difference | promote | inconclusive | reject | 95 % interval of promote |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    for name, metrics, items, difference in iter_settings():
        counts = count_verdicts(metrics, items, difference, options.trials, options.resamples, options.seed)
        print(format_row(name, items, difference, counts, options.trials), flush=True)
        worst = max(worst, counts["promote"] / options.trials if difference == 0 else 0.0)
    print(
        f"\nequal models: promoted in at most {worst:.2%} of {options.trials} trials; {time.monotonic() - start:.0f} s"
    )
    if worst > 0.05:
        raise SystemExit("an equal model is promoted too often")


if __name__ == "__main__":
    main()
