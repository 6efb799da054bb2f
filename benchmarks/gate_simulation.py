"""Simulate how often the gate promotes an equal model, and how often a better one.

    python benchmarks/gate_simulation.py [levels] [power] [prompts] [items] [--trials 2000] [--resamples 1000]
        [--seed 1446] [--processes 1]

Two models answer the same items. The difficulty of an item affects both, with a correlation of 0.5 between their latent
scores. Scores are 0 or 1, or integer marks from 1 to 10 as a judge gives them, or both. With both, two metrics must be
better. The rules are those of `seodang gate` without a rules file, and each trial calls the gate itself.

levels: equal models, on independent items, on passages with several questions, with skewed differences, and with the
chrF differences of a default run. The gate must promote them in at most 3 % of the trials of a line. By design it is
2.5 %, the upper half of a two-sided test.
power: how many items a true difference needs. The last two columns are the same trials by a textbook test alone:
McNemar's exact test of right or wrong, and Student's paired t-test.
prompts: several prompts of the base, each of which the model must be better than.
items: the number of items that would meet 1, 3 or 8 rules together, by the gate, drawn again; 80 % must be promoted.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from zlib import crc32

import numpy as np
from gate_models import build_pairs, build_rules
from gate_settings import TABLES, Setting, draw_shifted
from scipy import stats
from scipy.special import bdtr, stdtr

from seodang.gate.decision import decide
from seodang.gate.exact_tests import is_binary
from seodang.gate.scores import Pairs

_TRIALS_PER_JOB = 100
_TAIL = 0.025  # level of the gate on the side of a promotion
_HIGHEST_LEVEL = 0.03  # of a line of equal models


def count_verdicts(setting: Setting, resamples: int, seed: int, trials: range) -> Counter[str]:
    """Return the number of trials with each verdict, and with each textbook test met."""
    counts: Counter[str] = Counter()
    rules = build_rules(setting.metrics, resamples, seed, setting.against)
    for trial in trials:
        rng = np.random.default_rng([seed, crc32(setting.name.encode()), trial])
        comparisons = setting.draw(rng)
        counts[decide(comparisons, rules.model_copy(update={"seed": trial})).verdict] += 1
        for test in find_textbook_tests(comparisons[setting.against][0][1][setting.metrics[0]], rules.rules[0].sign):
            counts[test] += 1
    return counts


def find_textbook_tests(pairs: Pairs, sign: float) -> list[str]:
    """Return which textbook tests show that the candidate is better, at the level of the gate."""
    differences = sign * (pairs.candidate - pairs.reference)
    count, mean, spread = len(differences), differences.mean(), differences.std(ddof=1)
    if mean <= 0:
        return []
    t = mean * np.sqrt(count) / spread if spread else np.inf
    tests = ["t"] if stdtr(count - 1, -t) <= _TAIL else []
    if is_binary(pairs.candidate, pairs.reference):
        wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
        tests += ["exact"] if bdtr(losses, wins + losses, 0.5) <= _TAIL else []
    return tests


def simulate(setting: Setting, options: argparse.Namespace, executor: Executor) -> Counter[str]:
    """Return the counts of all trials of a line."""
    jobs = [
        range(start, min(start + _TRIALS_PER_JOB, options.trials))
        for start in range(0, options.trials, _TRIALS_PER_JOB)
    ]
    count = partial(count_verdicts, setting, options.resamples, options.seed)
    return sum(executor.map(count, jobs), start=Counter[str]())


def format_interval(count: int, trials: int) -> str:
    """Return the exact interval of a rate (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, trials).proportion_ci(0.95, "exact")
    return f"{interval.low:.1%} to {interval.high:.1%}"


def print_table(settings: Iterator[Setting], options: argparse.Namespace, executor: Executor) -> float:
    """Print a table; return the largest share of promotions of an equal model."""
    print("| setting | promote | inconclusive | reject | 95 % interval of promote | exact test | t-test |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    worst = 0.0
    for setting in settings:
        counts = simulate(setting, options, executor)
        rates = [f"{counts[name] / options.trials:.1%}" for name in ("promote", "inconclusive", "reject", "exact", "t")]
        interval = format_interval(counts["promote"], options.trials)
        print(f"| {setting.name} | {' | '.join(rates[:3])} | {interval} | {' | '.join(rates[3:])} |", flush=True)
        worst = max(worst, counts["promote"] / options.trials if setting.is_equal else 0.0)
    return worst


def print_items_table(options: argparse.Namespace, executor: Executor) -> None:
    """Print how often all rules are met at the number of items that would decide them.

    A first sample has exactly the true effect, so that its estimate can be compared with new samples.
    """
    print("| rules | items reported | promote | 95 % interval |\n|---|---|---|---|", flush=True)
    for count in (1, 3, 8):
        metrics = tuple(f"judge_{number}" for number in range(count))
        reported = estimate_items(metrics, options)
        counts = simulate(
            Setting(f"{count} rules", metrics, partial(draw_shifted, metrics, reported)), options, executor
        )
        share, interval = counts["promote"] / options.trials, format_interval(counts["promote"], options.trials)
        print(f"| {count} | {reported} | {share:.1%} | {interval} |", flush=True)


def estimate_items(metrics: Sequence[str], options: argparse.Namespace) -> int:
    """Return the required items that the gate reports for a sample of 100 with the true effect of draw_shifted()."""
    rng = np.random.default_rng([options.seed, len(metrics)])
    pairs = {}
    for metric in metrics:
        noise = rng.normal(size=100)
        pairs[metric] = build_pairs((noise - noise.mean()) / noise.std(ddof=1) * np.sqrt(2) + 0.3, np.zeros(100))
    rules = build_rules(metrics, options.resamples, options.seed).model_copy(update={"minimum_items": 101})
    decision = decide({"champion": [("champion", pairs)]}, rules)
    return max(result.required_items or 0 for result in decision.results)


def main() -> None:
    """Print the tables; fail if an equal model is promoted in more than 3 % of the trials of a line, noise aside."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, "items", []], help="all by default")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1446)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    start, worst = time.monotonic(), 0.0
    with ProcessPoolExecutor(options.processes) as executor:
        for name in options.tables or [*TABLES, "items"]:
            print(f"\n{name}\n", flush=True)
            if name == "items":
                print_items_table(options, executor)
            else:
                worst = max(worst, print_table(TABLES[name](), options, executor))
    print(
        f"\nequal models: promoted in at most {worst:.2%} of {options.trials} trials; {time.monotonic() - start:.0f} s"
    )
    if stats.binom.sf(round(worst * options.trials) - 1, options.trials, _HIGHEST_LEVEL) < 0.001:
        raise SystemExit("an equal model is promoted too often")


if __name__ == "__main__":
    main()
