"""Simulate histories of candidates that are judged on the same items, with the ledger and without it.

    python benchmarks/gate_ledger.py [--histories 2000] [--judgements 50] [--settings accuracy/300 ...]
        [--strategies independent ...]

No candidate is truly better than the reference: on fresh items its expected difference is zero. A history is wrong if
any of its candidates is promoted; by design that happens in at most 5 % of the histories. Strategies see the difference
on the test items after each judgement, as a person who reads the verdict does:

independent: each candidate is new.
climb: a candidate is the best one so far with a small random change, in the manner of hill climbing.
leap: the same with large changes.
average: every second candidate is the average of all that looked better than the reference (the boosting attack of Blum
    and Hardt 2015, section 5).
pair: a candidate is the average of the two best, with a small change.
soup: the first twenty candidates are truly worse, and each later one is the average of the best of them, which is not.
repair: every second candidate is truly worse, and the next one is the best of those with the weakness repaired.
adopt: a candidate takes over the answers of the best earlier one on a part of the items that this one gained, and is
    new on the others, as after training on records like these items.
copy: the same on all items that the best earlier one gained. That is training on the test items, so no bar applies.

power: a candidate that is truly better, after candidates that are not; the loss against a gate without memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache
from multiprocessing.pool import Pool

import numpy as np
from gate_models import ACCURACY, build_pairs, build_rules
from scipy import stats
from scipy.special import ndtri

from seodang.config import GateParams
from seodang.gate.decision import decide
from seodang.gate.judgement import ItemKey, Judgement
from seodang.gate.levels import compute_tail
from seodang.gate.statistics import Floats

CORRELATION = 0.5  # of the latent scores of a candidate and the reference, by the difficulty of items
WEAKNESS = 0.05  # in accuracy, of candidates that are truly worse
WEAK_FIRST = 20  # candidates of the strategy "soup" that are truly worse
ADOPTED = 0.3  # share of the gained items that a candidate of the strategy "adopt" takes over
_NEVER_MET = 0.3  # so far below its critical value, a standardized difference meets no rule, and needs no bootstrap

Strategy = Callable[[np.random.Generator, Sequence[Floats], Sequence[Floats], int], Floats]


def draw_new(rng: np.random.Generator, items: int) -> Floats:
    """Return what a candidate knows of each item: standard normal, independent of the difficulty."""
    return rng.normal(size=items)


def change(rng: np.random.Generator, knowledge: Floats, share: float) -> Floats:
    """Return knowledge of which a share of the variance is new."""
    changed: Floats = np.sqrt(1 - share) * knowledge + np.sqrt(share) * rng.normal(size=len(knowledge))
    return changed


def average(parts: Sequence[Floats]) -> Floats:
    """Return the average of independent knowledge, with a variance of 1, so that it is no better on fresh items."""
    mean = np.mean(parts, axis=0)
    scaled: Floats = mean / mean.std()
    return scaled


def choose_independent(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int
) -> Floats:
    """Return a new candidate."""
    return draw_new(rng, items)


def choose_climb(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int, share: float = 0.1
) -> Floats:
    """Return the best candidate so far with a change."""
    return change(rng, earlier[rank_best_first(seen)[0]], share) if earlier else draw_new(rng, items)


def choose_leap(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return the best candidate so far with a large change."""
    return choose_climb(rng, earlier, seen, items, share=0.5)


def choose_average(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return in turn a new candidate, and the average of the new ones that looked better."""
    lucky = [knowledge for knowledge, difference in list(zip(earlier, seen, strict=True))[::2] if difference.mean() > 0]
    return average(lucky) if len(earlier) % 2 and len(lucky) > 1 else draw_new(rng, items)


def choose_pair(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return the average of the two best candidates with a change; the first five are new."""
    if len(earlier) < 5:
        return draw_new(rng, items)
    best, second = rank_best_first(seen)[:2]
    return change(rng, average([earlier[best], earlier[second]]), 0.1)


def choose_soup(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return a new candidate; after the weak ones the average of the best of them, of another number each time."""
    if is_weak("soup", len(earlier)):
        return draw_new(rng, items)
    best_first = rank_best_first(seen[:WEAK_FIRST])
    return average([earlier[index] for index in best_first[: 2 + (len(earlier) - WEAK_FIRST) % 10]])


def choose_repair(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return in turn a new candidate, which is weak, and the best weak one so far with a small change."""
    if is_weak("repair", len(earlier)):
        return draw_new(rng, items)
    return change(rng, earlier[::2][rank_best_first(seen[::2])[0]], 0.1)


def choose_adopt(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int, share: float = ADOPTED
) -> Floats:
    """Return a new candidate that knows a share of what the best earlier one gained."""
    knowledge = draw_new(rng, items)
    if earlier:
        best = rank_best_first(seen)[0]
        is_adopted = (seen[best] > 0) & (rng.random(items) < share)
        knowledge[is_adopted] = earlier[best][is_adopted]
    return knowledge


def choose_copy(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return a new candidate that knows all that the best earlier one gained."""
    return choose_adopt(rng, earlier, seen, items, share=1.0)


def rank_best_first(seen: Sequence[Floats]) -> list[int]:
    """Return the candidates by their mean difference, the best first."""
    means = [float(difference.mean()) for difference in seen]
    return sorted(range(len(means)), key=means.__getitem__, reverse=True)


def is_weak(strategy: str, index: int) -> bool:
    """Return whether a candidate is truly worse than the reference by WEAKNESS."""
    return index < WEAK_FIRST if strategy == "soup" else strategy == "repair" and index % 2 == 0


STRATEGIES: dict[str, Strategy] = {
    "independent": choose_independent,
    "climb": choose_climb,
    "leap": choose_leap,
    "average": choose_average,
    "pair": choose_pair,
    "soup": choose_soup,
    "repair": choose_repair,
    "adopt": choose_adopt,
    "copy": choose_copy,
}
WITHOUT_BAR = {"copy"}


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
        "\n| earlier candidates | difference | without a ledger | with it | 95 % interval |\n|---|---|---|---|---|",
        flush=True,
    )
    total = max(200, options.histories // 4)
    for difference in (0.1, 0.15, 0.2):
        for before in (0, 1, 4, 9, 19):
            shares = []
            for uses_ledger in (False, True):
                tasks = [
                    (before, 300, difference, options.seed + index, uses_ledger, options.resamples)
                    for index in range(total)
                ]
                shares.append(sum(pool.imap_unordered(run_improvement, tasks, chunksize=8)))
            print(
                f"| {before} | +{difference:g} | {shares[0] / total:.1%} | {format_share(shares[1], total)} |",
                flush=True,
            )


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
    options = parser.parse_args()
    start = time.monotonic()
    with Pool(options.processes) as pool:
        worst = print_histories(options, pool)
        if not options.no_power:
            print_power(options, pool)
    print(
        f"\nwrong promotions in at most {worst:.1%} of {options.histories} histories; {time.monotonic() - start:.0f} s"
    )
    if worst > 0.05:
        raise SystemExit("a model that is not better is promoted too often")


if __name__ == "__main__":
    main()
