"""Scores of pairs of models with a known true difference, for the simulations of the gate. Only chrF reads a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from seodang.config import ScoreRulesParams
from seodang.config.load import read_item_defaults
from seodang.config.yaml_file import read_yaml
from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

ACCURACY = 0.6  # of the champion
MARK, SPREAD = 6.0, 2.5  # mean and standard deviation of the champion's marks before rounding and clipping to 1..10
CORRELATION = 0.5
_CHRF_FILE = Path(__file__).with_name("chrf_differences.json")


def build_rules(metrics: Sequence[str], resamples: int, seed: int, against: str = "champion") -> ScoreRulesParams:
    """Return the rules of `seodang gate` without a rules file."""
    defaults = read_yaml(Path(str(files("seodang.gate") / "score_rules.yaml")))
    rule = read_item_defaults("gate", "rules") | {"test": "superiority", "against": against}
    rules = [{**rule, "metric": metric} for metric in metrics]
    return ScoreRulesParams.model_validate({**defaults, "seed": seed, "resamples": resamples, "rules": rules})


def draw_latent_scores(rng: np.random.Generator, items: int) -> tuple[Floats, Floats]:
    """Return the latent scores of the two models on each item: standard normal, correlated."""
    shared = rng.normal(size=items)
    independent = rng.normal(size=(2, items))
    first, second = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * independent
    return first, second


def draw_accuracy(rng: np.random.Generator, items: int, difference: float) -> tuple[Floats, Floats]:
    """Return the scores of candidate and champion; the difference is in accuracy."""
    candidate, champion = draw_latent_scores(rng, items)
    bounds = ndtri([ACCURACY + difference, ACCURACY])
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
    """Return binary scores of two equal models whose errors correlate within passages, and each item's passage."""
    scores = []
    for _model in range(2):
        shared = np.repeat(rng.normal(size=passages), size)
        latent = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.normal(size=passages * size)
        scores.append((latent < ndtri(ACCURACY)).astype(float))
    return scores[0], scores[1], tuple(f"p{number // size}" for number in range(passages * size))


def draw_lost_passages(
    rng: np.random.Generator, passages: int, size: int, share: float
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return binary scores of equal means: the candidate loses a share of the passages, and gains in the others."""
    champion = rng.random((passages, size)) < ACCURACY
    gain = share * ACCURACY / ((1 - share) * (1 - ACCURACY))  # of the champion's errors in the other passages
    candidate = champion | (rng.random((passages, size)) < gain)
    candidate[rng.random(passages) < share] = False
    names = tuple(f"p{number // size}" for number in range(passages * size))
    return candidate.ravel().astype(float), champion.ravel().astype(float), names


def draw_skewed(rng: np.random.Generator, items: int, spread: float) -> tuple[Floats, Floats]:
    """Return losses of equal means: most items of the candidate a little better, a few much worse."""
    return 2 + rng.lognormal(0, spread, items) - np.exp(spread**2 / 2), np.full(items, 2.0)


def draw_mostly_equal(rng: np.random.Generator, items: int, share: float, spread: float) -> tuple[Floats, Floats]:
    """Return losses of equal means that differ in a share of the items only, with draw_skewed()'s differences."""
    candidate, champion = draw_skewed(rng, items, spread)
    return np.where(rng.random(items) < share, candidate, champion), champion


def draw_chrf(rng: np.random.Generator, items: int, kinds: str, sign: float) -> tuple[Floats, Floats]:
    """Return scores whose differences are those of the default run less their mean, drawn with replacement.

    Args:
        rng: Generator.
        items: Number of items.
        kinds: "open" for free answers, or "all".
        sign: 1 as measured, -1 with candidate and reference exchanged.
    """
    return 50 + sign * rng.choice(read_chrf_differences(kinds), items), np.full(items, 50.0)


@lru_cache
def read_chrf_differences(kinds: str) -> Floats:
    """Return the centred differences in chrF of the default run, tuned model minus the base's best prompt.

    The file has the test split of `make run` with seed 1446, by kind of answer and language, rounded to two decimals.
    """
    lists = json.loads(_CHRF_FILE.read_text("utf-8"))
    values = np.concatenate([differences for name, differences in lists.items() if kinds in ("all", name[:4])])
    centred: Floats = values - values.mean()
    return centred


def build_pairs(candidate: Floats, reference: Floats, groups: tuple[str, ...] = ()) -> Pairs:
    """Return the pairs of items of one task and language."""
    count = len(candidate)
    names = tuple(map(str, range(count)))
    return Pairs(("t",) * count, ("ko",) * count, names, candidate, reference, groups=groups)


MODELS = {"accuracy": draw_accuracy, "judge": draw_marks}
