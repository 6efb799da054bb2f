"""Simulate histories of candidates that are judged on the same items, with the ledger and without it.

    python benchmarks/gate_ledger.py [--histories 2000] [--judgements 50] [--settings accuracy/300 ...]
        [--strategies independent ...]

No candidate is truly better than the reference: on fresh items its expected difference is zero. A history is wrong if
any of its candidates is promoted; by design that happens in at most 5 % of the histories. Strategies see the difference
on the test items after each judgement, as a person who reads the verdict does:

The strategies stand in gate_candidates.py.

power: a candidate that is truly better, after candidates that are not; the loss against a gate without memory.
"""

from __future__ import annotations

import argparse
import time
from functools import cache
from multiprocessing.pool import Pool

import numpy as np
from gate_candidates import STRATEGIES, WEAKNESS, WITHOUT_BAR, draw_new, is_weak
from gate_models import ACCURACY, build_pairs, build_rules
from scipy import stats
from scipy.special import ndtri

from seodang.config import GateParams
from seodang.gate.decision import decide
from seodang.gate.judgement import ItemKey, Judgement
from seodang.gate.levels import compute_tail
from seodang.gate.statistics import Floats

CORRELATION = 0.5  # of the latent scores of a candidate and the reference, by the difficulty of items
POWER_SETTINGS = ((0.1, 300), (0.15, 300), (0.2, 300), (0.1, 600), (0.1, 1000))  # improvement, items
_NEVER_MET = 0.3  # so far below its critical value, a standardized difference meets no rule, and needs no bootstrap


def score(difficulty: Floats, knowledge: Floats, accuracy: float, metric: str) -> Floats:
    """Return the scores on each item."""
    latent = np.sqrt(CORRELATION) * difficulty + np.sqrt(1 - CORRELATION) * knowledge
    bound = ndtri(accuracy)
    scores: Floats = (latent < bound).astype(float) if metric == "accuracy" else 5 + 2 * (bound - latent)
    return scores.round(6)


def judge(
    candidate: Floats, reference: Floats, rules: GateParams, metric: str, ledger: list[Judgement], uses_ledger: bool
) -> bool:
    """Return whether the candidate is promoted, and record the judgement."""
    differences = candidate - reference
    spread = differences.std(ddof=1) / np.sqrt(len(differences))
    is_promoted, met = False, frozenset[str]()
    number = min(len(ledger) + 1, rules.judgements) if uses_ledger else 1
    if differences.mean() > (-ndtri(compute_tail(number, rules)) - _NEVER_MET) * spread:
        pairs = {metric: build_pairs(candidate, reference)}
        decision = decide({"champion": [("champion", pairs)]}, rules, ledger if uses_ledger else None)
        is_promoted, met = decision.verdict == "promote", frozenset(decision.met)
    keys = list_keys(len(candidate))
    scores = {metric: dict(zip(keys, candidate.tolist(), strict=True))}
    ledger.append(Judgement(candidate=str(len(ledger)), items=frozenset(keys), scores=scores, met=met))
    return is_promoted


@cache
def list_keys(items: int) -> tuple[ItemKey, ...]:
    """Return the names of the items."""
    return tuple(("t", str(number)) for number in range(items))


def run_history(task: tuple[str, str, int, int, int, bool, int]) -> int | None:
    """Return the number of the first candidate that is promoted; None if none is."""
    name, metric, items, judgements, seed, uses_ledger, resamples = task
    rng = np.random.default_rng([seed, items, len(name)])
    rules = build_rules((metric,), resamples, seed)
    difficulty = rng.normal(size=items)
    reference = score(difficulty, draw_new(rng, items), ACCURACY, metric)
    earlier: list[Floats] = []
    seen: list[Floats] = []
    ledger: list[Judgement] = []
    for number in range(1, judgements + 1):
        knowledge = STRATEGIES[name](rng, earlier, seen, items)
        accuracy = ACCURACY - (WEAKNESS if is_weak(name, number - 1) else 0.0)
        candidate = score(difficulty, knowledge, accuracy, metric)
        if judge(candidate, reference, rules, metric, ledger, uses_ledger):
            return number
        earlier.append(knowledge)
        seen.append(candidate - reference)
    return None


def run_improvement(task: tuple[int, int, float, int, bool, int]) -> bool:
    """Return whether a truly better candidate is promoted after candidates that are not better."""
    before, items, difference, seed, uses_ledger, resamples = task
    rng = np.random.default_rng([seed, items, before])
    rules = build_rules(("accuracy",), resamples, seed)
    difficulty = rng.normal(size=items)
    reference = score(difficulty, draw_new(rng, items), ACCURACY, "accuracy")
    ledger: list[Judgement] = []
    for _number in range(before):
        judge(score(difficulty, draw_new(rng, items), ACCURACY, "accuracy"), reference, rules, "accuracy", ledger, True)
    better = score(difficulty, draw_new(rng, items), ACCURACY + difference, "accuracy")
    return judge(better, reference, rules, "accuracy", ledger, uses_ledger)


def format_share(count: int, total: int) -> str:
    """Return a share with its exact interval (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, total).proportion_ci(0.95, "exact")
    return f"{count / total:.1%} | {interval.low:.1%} to {interval.high:.1%}"


def print_histories(options: argparse.Namespace, pool: Pool) -> float:
    """Print how many histories have a wrong promotion; return the largest share with the ledger that has a bar."""
    print(
        "| strategy | metric | items | without a ledger | with it | 95 % interval |\n|---|---|---|---|---|---|",
        flush=True,
    )
    worst = 0.0
    for metric, items in ((name, int(count)) for name, count in (text.split("/") for text in options.settings)):
        for name in options.strategies:
            shares = {}
            for uses_ledger, total in ((False, options.histories // 10), (True, options.histories)):
                tasks = [
                    (name, metric, items, options.judgements, options.seed + index, uses_ledger, options.resamples)
                    for index in range(total)
                ]
                wrong = sum(first is not None for first in pool.imap_unordered(run_history, tasks, chunksize=4))
                shares[uses_ledger] = (wrong, total)
            if name not in WITHOUT_BAR:
                worst = max(worst, shares[True][0] / shares[True][1])
            without = f"{shares[False][0] / shares[False][1]:.1%}"
            print(f"| {name} | {metric} | {items} | {without} | {format_share(*shares[True])} |", flush=True)
    return worst


def print_power(options: argparse.Namespace, pool: Pool) -> None:
    """Print the power for a truly better candidate, by the number of earlier ones."""
    print(
        "\n| earlier candidates | difference | items | without a ledger | with it | 95 % interval |\n|---|---|---|---|---|---|",
        flush=True,
    )
    total = max(200, options.histories // 4)
    for difference, items in POWER_SETTINGS:
        for before in (0, 1, 4, 9, 19, 49):
            shares = []
            for uses_ledger in (False, True):
                tasks = [
                    (before, items, difference, options.seed + index, uses_ledger, options.resamples)
                    for index in range(total)
                ]
                shares.append(sum(pool.imap_unordered(run_improvement, tasks, chunksize=8)))
            shown = format_share(shares[1], total)
            print(f"| {before} | +{difference:g} | {items} | {shares[0] / total:.1%} | {shown} |", flush=True)


def main() -> None:
    """Print the tables, and fail if more than 5 % of the histories have a wrong promotion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--judgements", type=int, default=50)
    parser.add_argument("--strategies", nargs="*", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1446)
    parser.add_argument(
        "--settings", nargs="*", default=["accuracy/300", "accuracy/100", "judge/300"], metavar="METRIC/ITEMS"
    )
    parser.add_argument("--no-power", action="store_true")
    parser.add_argument("--only-power", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    with Pool(options.processes) as pool:
        worst = 0.0 if options.only_power else print_histories(options, pool)
        if not options.no_power:
            print_power(options, pool)
    if not options.only_power:
        print(f"\nwrong promotions in at most {worst:.1%} of {options.histories} histories")
    print(f"\n{time.monotonic() - start:.0f} s")
    if worst > 0.05:
        raise SystemExit("a model that is not better is promoted too often")


if __name__ == "__main__":
    main()
