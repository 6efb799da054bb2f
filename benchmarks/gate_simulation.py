"""Simulate how often the gate promotes an equal model, and how often a better one.

    python benchmarks/gate_simulation.py [levels] [power] [prompts] [items] [--trials 2000] [--resamples 2000] [--seed 1446]

Two models answer the same items. The difficulty of an item affects both, with a correlation of 0.5 between their latent
scores. Scores are 0 or 1, or integer marks from 1 to 10 as a judge gives them, or both (two metrics, both of which must
be better). The rules are those of `seodang gate` without a rules file.

levels: equal models, on independent items, on passages with several questions, and with skewed differences. The gate must
promote them in at most 3 % of the trials of a line; by design it is 2.5 %, the upper half of a two-sided test.
power: how many items a true difference needs.
prompts: several equal prompts of the base, of which each test selects one.
items: the number of items that the gate tells would meet 1, 3 or 8 rules together, drawn again; 80 % must be promoted.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
from scipy import stats

from seodang.config import GateParams
from seodang.gate.decision import decide
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

ACCURACY = 0.6  # of the champion
MARK, SPREAD = 6.0, 2.5  # mean and standard deviation of the champion's marks before rounding and clipping to 1..10
CORRELATION = 0.5


def build_rules(metrics: Sequence[str], resamples: int, seed: int, against: str = "champion") -> GateParams:
    """Return the rules of `seodang gate` without a rules file."""
    settings = {
        "seed": seed,
        "resamples": resamples,
        "confidence": 0.95,
        "power": 0.8,
        "minimum_items": 20,
        "judgements": 50,
    }
    rule = {"test": "superiority", "margin": 0.0, "tasks": [], "group_by": "all", "groups": []}
    rules = [{**rule, "against": against, "metric": metric, "higher_is_better": None} for metric in metrics]
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


def draw_passages(
    rng: np.random.Generator, passages: int, size: int, correlation: float
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return binary scores of two equal models whose errors correlate within a passage, and the passage of each item."""
    scores = []
    for _model in range(2):
        shared = np.repeat(rng.normal(size=passages), size)
        latent = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.normal(size=passages * size)
        scores.append((latent < stats.norm.ppf(ACCURACY)).astype(float))
    return scores[0], scores[1], tuple(f"p{number // size}" for number in range(passages * size))


def draw_skewed(rng: np.random.Generator, items: int, spread: float) -> tuple[Floats, Floats]:
    """Return losses of equal means: most items of the candidate a little better, a few much worse."""
    return 2 + rng.lognormal(0, spread, items) - np.exp(spread**2 / 2), np.full(items, 2.0)


MODELS = {"accuracy": draw_accuracy, "judge": draw_marks}
Draw = Callable[[np.random.Generator], dict[str, list[tuple[str, dict[str, Pairs]]]]]


def build_pairs(candidate: Floats, reference: Floats, groups: tuple[str, ...] = ()) -> Pairs:
    """Return the pairs of items of one task and language."""
    count = len(candidate)
    names = tuple(map(str, range(count)))
    return Pairs(("t",) * count, ("ko",) * count, names, candidate, reference, groups=groups)


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a table."""

    name: str
    metrics: tuple[str, ...]
    draw: Draw
    against: str = "champion"
    is_equal: bool = False
    """The candidate is not better, so that a promotion is an error."""


def list_levels() -> Iterator[Setting]:
    """Yield equal models."""
    for items in (20, 42, 100, 300, 1000):
        for name, metrics in (("accuracy", ("accuracy",)), ("marks", ("judge",)), ("both", ("accuracy", "judge"))):
            yield Setting(f"{name}, {items} items", metrics, partial(draw_models, metrics, items, 0.0), is_equal=True)
    for passages, size, correlation in ((150, 2, 0.9), (60, 5, 0.3), (60, 5, 0.5), (30, 10, 0.3), (15, 20, 0.2)):
        yield Setting(
            f"{passages} passages of {size} questions, correlation {correlation}",
            ("accuracy",),
            partial(draw_grouped, passages, size, correlation),
            is_equal=True,
        )
    for items in (20, 42, 100, 300):
        for spread in (0.5, 0.8, 1.2):
            yield Setting(
                f"loss, lognormal({spread}), {items} items", ("loss",), partial(draw_loss, items, spread), is_equal=True
            )


def list_power() -> Iterator[Setting]:
    """Yield better models."""
    for items in (42, 100, 300, 1000):
        for difference in (0.02, 0.05, 0.1, 0.2):
            draw = partial(draw_models, ("accuracy",), items, difference)
            yield Setting(f"accuracy +{difference:g}, {items} items", ("accuracy",), draw)
        for difference in (0.25, 0.5, 1.0):
            draw = partial(draw_models, ("judge",), items, difference)
            yield Setting(f"marks +{difference:g}, {items} items", ("judge",), draw)


def list_prompts() -> Iterator[Setting]:
    """Yield models against several equal prompts of the base."""
    for prompts in (1, 5, 10, 30):
        for difference in (0.0, 0.075):
            yield Setting(
                f"{prompts} prompts, +{difference:g}, 300 items",
                ("accuracy",),
                partial(draw_prompts, prompts, difference),
                against="base",
                is_equal=not difference,
            )


def draw_models(
    metrics: Sequence[str], items: int, difference: float, rng: np.random.Generator
) -> dict[str, list[tuple[str, dict[str, Pairs]]]]:
    """Return a candidate and a champion with independent items."""
    pairs = {metric: build_pairs(*MODELS[metric](rng, items, difference)) for metric in metrics}
    return {"champion": [("champion", pairs)]}


def draw_grouped(
    passages: int, size: int, correlation: float, rng: np.random.Generator
) -> dict[str, list[tuple[str, dict[str, Pairs]]]]:
    """Return a candidate and a champion with several questions on each passage."""
    return {"champion": [("champion", {"accuracy": build_pairs(*draw_passages(rng, passages, size, correlation))})]}


def draw_loss(items: int, spread: float, rng: np.random.Generator) -> dict[str, list[tuple[str, dict[str, Pairs]]]]:
    """Return a candidate and a champion with equal mean losses."""
    return {"champion": [("champion", {"loss": build_pairs(*draw_skewed(rng, items, spread))})]}


def draw_prompts(
    prompts: int, difference: float, rng: np.random.Generator
) -> dict[str, list[tuple[str, dict[str, Pairs]]]]:
    """Return a candidate and equal prompts of the base."""
    shared = rng.normal(size=300)

    def draw(accuracy: float) -> Floats:
        latent = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * rng.normal(size=300)
        scores: Floats = (latent < stats.norm.ppf(accuracy)).astype(float)
        return scores

    candidate = draw(ACCURACY + difference)
    variants = [
        (f"few_shot/{number}", {"accuracy": build_pairs(candidate, draw(ACCURACY))}) for number in range(prompts)
    ]
    return {"base": variants}


def count_verdicts(setting: Setting, trials: int, resamples: int, seed: int) -> Counter[str]:
    """Return the number of trials with each verdict."""
    counts: Counter[str] = Counter()
    for trial in range(trials):
        rng = np.random.default_rng([seed, crc32(setting.name.encode()), trial])
        rules = build_rules(setting.metrics, resamples, trial, setting.against)
        counts[decide(setting.draw(rng), rules).verdict] += 1
    return counts


def format_row(name: str, counts: Counter[str], trials: int) -> str:
    """Return a line of the table, with the exact interval (Clopper and Pearson 1934) of the promotion rate."""
    interval = stats.binomtest(counts["promote"], trials).proportion_ci(0.95, "exact")
    rates = " | ".join(f"{counts[verdict] / trials:.1%}" for verdict in ("promote", "inconclusive", "reject"))
    return f"| {name} | {rates} | {interval.low:.1%} to {interval.high:.1%} |"


def print_table(settings: Iterator[Setting], options: argparse.Namespace) -> float:
    """Print a table; return the largest share of promotions of an equal model."""
    print("| setting | promote | inconclusive | reject | 95 % interval of promote |\n|---|---|---|---|---|", flush=True)
    worst = 0.0
    for setting in settings:
        counts = count_verdicts(setting, options.trials, options.resamples, options.seed)
        print(format_row(setting.name, counts, options.trials), flush=True)
        worst = max(worst, counts["promote"] / options.trials if setting.is_equal else 0.0)
    return worst


def print_items_table(options: argparse.Namespace) -> None:
    """Print how often all rules are met at the number of items that would decide them.

    A first sample has exactly the true effect, so that its estimate can be compared with new samples.
    """
    print("| rules | items told | promote | 95 % interval |\n|---|---|---|---|", flush=True)
    for count in (1, 3, 8):
        metrics = [f"judge_{number}" for number in range(count)]
        rng = np.random.default_rng([options.seed, count])
        first = {metric: _standardize(rng.normal(size=100)) for metric in metrics}
        pairs = {metric: build_pairs(noise * np.sqrt(2) + 0.3, np.zeros(100)) for metric, noise in first.items()}
        rules = build_rules(metrics, options.resamples, options.seed).model_copy(update={"minimum_items": 101})
        decision = decide({"champion": [("champion", pairs)]}, rules)
        told = max(result.required_items or 0 for result in decision.results)

        def draw(
            rng: np.random.Generator, metrics: list[str] = metrics, told: int = told
        ) -> dict[str, list[tuple[str, dict[str, Pairs]]]]:
            drawn = {metric: build_pairs(rng.normal(0.3, np.sqrt(2), told), np.zeros(told)) for metric in metrics}
            return {"champion": [("champion", drawn)]}

        setting = Setting(f"{count} rules", tuple(metrics), draw)
        trials = max(200, options.trials // count)
        counts = count_verdicts(setting, trials, options.resamples, options.seed)
        interval = stats.binomtest(counts["promote"], trials).proportion_ci(0.95, "exact")
        share = counts["promote"] / trials
        print(f"| {count} | {told} | {share:.1%} | {interval.low:.1%} to {interval.high:.1%} |", flush=True)


def _standardize(values: Floats) -> Floats:
    standardized: Floats = (values - values.mean()) / values.std(ddof=1)
    return standardized


TABLES: dict[str, Callable[[], Iterator[Setting]]] = {
    "levels": list_levels,
    "power": list_power,
    "prompts": list_prompts,
}


def main() -> None:
    """Print the tables, and fail if an equal model is promoted in more than 5 % of the trials of a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, "items", []], help="all by default")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    start, worst = time.monotonic(), 0.0
    for name in options.tables or [*TABLES, "items"]:
        print(f"\n{name}\n", flush=True)
        if name == "items":
            print_items_table(options)
        else:
            worst = max(worst, print_table(TABLES[name](), options))
    print(
        f"\nequal models: promoted in at most {worst:.2%} of {options.trials} trials; {time.monotonic() - start:.0f} s"
    )
    if worst > 0.05:
        raise SystemExit("an equal model is promoted too often")


if __name__ == "__main__":
    main()
