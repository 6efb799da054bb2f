"""Simulate how often a model is promoted, and how often rejected, against several prompts of the base.

    python benchmarks/cross_fitting.py [levels] [power] [--trials 2000] [--seed 1446] [--processes 1]

A model is promoted if it is better than the base's best prompt, and rejected if it is worse. Which prompt is the best
is known from the compared items alone. The rules, each with Student's paired t at one-sided 2.5 %:

cross-fitted: each fifth of the items is compared with the prompt that is best on the other four fifths.
all prompts: the model is promoted if it is better than each prompt (Berger 1982), and rejected if it is worse than some
    prompt with Bonferroni's correction for their number.
both: promoted if cross-fitted and all prompts say so.
forward: each item is compared with the prompt that is best on the items before it (Luedtke and van der Laan 2016,
    Annals of Statistics 44:713-742).
best mean: all items are compared with the prompt of the best mean on them.

The gate promotes by `all prompts` and rejects by `forward`; it did both by `cross-fitted` before.

The best prompt is a tie with the model in the table `levels`, so each promotion and each rejection is an error. In the
table `power` it is truly worse or better than the model. Scores are right or wrong, or skewed with the same spread. The
latent scores of model and prompt correlate by 0.5 over the items; those of `alike` prompts by 0.9 among each other.
Prompts are equal, or differ in steps of 0.02. `one uncertain`: the best of skewed prompts has the triple spread, and
the others are lower by 0.02. Student's t alone rejects too often there, because it ignores the skewness; the gate's
tests do not.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
from gate_models import ACCURACY, CORRELATION
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from seodang.gate.statistics import Floats

_TAIL = 0.025
_FOLDS = 5
_STEP = 0.02  # between the means of prompts that differ
_ALIKE = 0.8  # share of what is left beside the difficulty that prompts have in common
_SKEW = 0.8  # of the lognormal scores
_SPREAD = 0.49  # of the skewed scores, that of right or wrong
_UNCERTAIN = 3.0  # times the spread of the others
_TRIALS_PER_JOB = 100
_HIGHEST_LEVEL = 0.03  # of the promotions of a line by the rule that the gate uses
_PROMOTIONS = ("cross-fitted", "both", "all prompts", "best mean")
_REJECTIONS = ("cross-fitted", "forward", "all prompts", "best mean")


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a table."""

    kind: str
    """right or wrong, or skewed."""
    items: int
    prompts: int
    quality: str
    """equal, different, or one uncertain."""
    is_alike: bool
    difference: float = 0.0
    """Of the model and the best prompt."""

    @property
    def name(self) -> str:
        """Return the first columns of the table."""
        alike = ", alike" if self.is_alike else ""
        return f"{self.kind} | {self.items} | {self.prompts} {self.quality}{alike} | {self.difference:+g}"


def list_levels() -> Iterator[Setting]:
    """Yield models that tie with the best prompt."""
    for kind in ("right or wrong", "skewed"):
        for quality in ("equal", "different", *(("one uncertain",) if kind == "skewed" else ())):
            for is_alike in (False, True):
                for prompts in (2, 5, 10):
                    for items in (42, 200, 500, 1000):
                        yield Setting(kind, items, prompts, quality, is_alike)


def list_power() -> Iterator[Setting]:
    """Yield models that are better or worse than the best prompt."""
    for kind in ("right or wrong", "skewed"):
        for quality in ("equal", "different"):
            for prompts in (2, 5, 10):
                for items in (200, 500, 1000):
                    for difference in (0.05, 0.1, -0.05, -0.1):
                        yield Setting(kind, items, prompts, quality, is_alike=False, difference=difference)


def draw_differences(setting: Setting, rng: np.random.Generator, trials: int) -> Floats:
    """Return the model's score less that of each prompt: of shape (trials, prompts, items)."""
    shape = (trials, setting.prompts, setting.items)
    difficulty = np.sqrt(CORRELATION) * rng.normal(size=(trials, 1, setting.items))
    common = rng.normal(size=difficulty.shape)
    alike = _ALIKE if setting.is_alike else 0.0
    prompts = difficulty + np.sqrt(1 - CORRELATION) * (
        np.sqrt(alike) * common + np.sqrt(1 - alike) * rng.normal(size=shape)
    )
    model = difficulty + np.sqrt(1 - CORRELATION) * rng.normal(size=difficulty.shape)
    steps = np.arange(setting.prompts)
    losses = _STEP * {"equal": 0 * steps, "different": steps, "one uncertain": np.minimum(steps, 1)}[setting.quality]
    if setting.kind == "right or wrong":
        bounds = ndtri(ACCURACY - losses)[:, None]
        own = (model < ndtri(ACCURACY + setting.difference)).astype(np.float64)
        right_or_wrong: Floats = own - (prompts < bounds)
        return right_or_wrong
    scale = np.ones(setting.prompts)
    if setting.quality == "one uncertain":
        scale[0] = _UNCERTAIN
    skewed: Floats = _skew(model) + setting.difference - (_skew(prompts) * scale[:, None] - losses[:, None])
    return skewed


def _skew(latent: Floats) -> Floats:
    """Return skewed scores of mean 0."""
    spread = np.exp(_SKEW**2 / 2) * np.sqrt(np.exp(_SKEW**2) - 1)
    scores: Floats = (np.exp(_SKEW**2 / 2) - np.exp(_SKEW * latent)) * (_SPREAD / spread)
    return scores


def compute_t(differences: Floats) -> Floats:
    """Return Student's t of the last axis."""
    errors = differences.std(axis=-1, ddof=1) / np.sqrt(differences.shape[-1])
    t: Floats = differences.mean(axis=-1) / np.maximum(errors, 1e-12)
    return t


def compare_cross_fitted(differences: Floats) -> Floats:
    """Return the differences with the prompt that is best on the other folds, which has the least difference there."""
    folds = np.arange(differences.shape[-1]) % _FOLDS
    compared = np.empty(differences[:, 0].shape)
    for fold in range(_FOLDS):
        best = differences[..., folds != fold].mean(axis=-1).argmin(axis=1)
        compared[:, folds == fold] = take_prompts(differences[..., folds == fold], best[:, None])
    return compared


def compare_forward(differences: Floats) -> Floats:
    """Return the differences with the prompt that is best on the items before."""
    before = differences.cumsum(axis=-1) - differences
    return take_prompts(differences, before.argmin(axis=1))


def take_prompts(differences: Floats, best: NDArray[np.intp]) -> Floats:
    """Return the differences with one prompt per trial, or per trial and item."""
    return np.take_along_axis(differences, best[:, None], axis=1)[:, 0]


def count_outcomes(setting: Setting, seed: int, trials: range) -> Counter[str]:
    """Return the number of trials that each rule promotes and rejects."""
    rng = np.random.default_rng([seed, crc32(setting.name.encode()), trials.start])
    differences = draw_differences(setting, rng, len(trials))
    high = stats.t.isf(_TAIL, setting.items - 1)
    corrected = stats.t.isf(_TAIL / setting.prompts, setting.items - 1)
    t = compute_t(differences)
    cross_fitted = compute_t(compare_cross_fitted(differences))
    forward = compute_t(compare_forward(differences))
    best = compute_t(take_prompts(differences, differences.mean(axis=-1).argmin(axis=1)[:, None]))
    outcomes = {
        "promoted, cross-fitted": cross_fitted >= high,
        "promoted, both": (cross_fitted >= high) & (t.min(axis=1) >= high),
        "promoted, all prompts": t.min(axis=1) >= high,
        "promoted, best mean": best >= high,
        "rejected, cross-fitted": cross_fitted <= -high,
        "rejected, forward": forward <= -high,
        "rejected, all prompts": t.min(axis=1) <= -corrected,
        "rejected, best mean": best <= -high,
    }
    return Counter({name: int(outcome.sum()) for name, outcome in outcomes.items()})


def simulate(setting: Setting, options: argparse.Namespace, executor: ProcessPoolExecutor) -> Counter[str]:
    """Return the counts of all trials of a line."""
    jobs = [
        range(start, min(start + _TRIALS_PER_JOB, options.trials))
        for start in range(0, options.trials, _TRIALS_PER_JOB)
    ]
    return sum(executor.map(partial(count_outcomes, setting, options.seed), jobs), start=Counter[str]())


def format_share(count: int, trials: int) -> str:
    """Return a share with its exact interval (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, trials).proportion_ci(0.95, "exact")
    return f"{count / trials:.1%} ({interval.low:.1%}-{interval.high:.1%})"


def print_table(settings: Iterator[Setting], options: argparse.Namespace, executor: ProcessPoolExecutor) -> int:
    """Print a table; return the largest count of the promotions by `all prompts`."""
    columns = [f"promoted, {rule}" for rule in _PROMOTIONS] + [f"rejected, {rule}" for rule in _REJECTIONS]
    print(f"| scores | items | prompts | difference | {' | '.join(columns)} |", flush=True)
    print("|" + "---|" * (4 + len(columns)), flush=True)
    worst: Counter[str] = Counter()
    for setting in settings:
        counts = simulate(setting, options, executor)
        shares = [format_share(counts[column], options.trials) for column in columns]
        print(f"| {setting.name} | {' | '.join(shares)} |", flush=True)
        worst |= counts
    shares = [f"{worst[column] / options.trials:.1%}" for column in columns]
    print(f"| largest | | | | {' | '.join(shares)} |", flush=True)
    return worst["promoted, all prompts"]


def main() -> None:
    """Print the tables; fail if a model that ties with the best prompt is promoted too often, noise aside."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=["levels", "power", []], help="all by default")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1446)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    start, worst = time.monotonic(), 0
    with ProcessPoolExecutor(options.processes) as executor:
        for name in options.tables or ["levels", "power"]:
            print(f"\n{name}\n", flush=True)
            largest = print_table(list_levels() if name == "levels" else list_power(), options, executor)
            worst = largest if name == "levels" else worst
    print(f"\n{time.monotonic() - start:.0f} s")
    if stats.binom.sf(worst - 1, options.trials, _HIGHEST_LEVEL) < 0.001:
        raise SystemExit("a model that ties with the best prompt is promoted too often")


if __name__ == "__main__":
    main()
