"""Simulate promotions in a row, each of a model that is truly a little worse than the champion before it.

    python benchmarks/gate_drift.py [--chains 200] [--rounds 10] [--items 358]

The rule is that of the default project: not worse than the champion by more than 0.03. Each round has fresh items, so
the ledger plays no part. A model repeats the answers of the model before it, with two exceptions. It gains 2 % of the
items, and loses 2 % plus its true loss. The table shows the accuracy of the champion after the last round. The
reference is the present champion alone, or together with the best champions so far.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from gate_models import build_pairs, build_rules

from seodang.config import GateParams, RuleParams
from seodang.gate.decision import decide
from seodang.gate.statistics import Floats
from seodang.registry.champion import select_best

START, GAINED = 0.97, 0.02  # accuracy of the first champion; share of items that a model gains
MARGIN, BASE = 0.03, 0.33


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a chain: its true accuracy, and its place among the models that were tried."""

    number: int
    accuracy: float

    @property
    def version(self) -> str:
        """Return the name of the model among champions."""
        return f"v0.{self.number}.0"


def build_gate(resamples: int, seed: int) -> GateParams:
    """Return the rules of the default project about accuracy."""
    rules = build_rules(("accuracy",), resamples, seed, against="base")
    not_worse = {**rules.rules[0].model_dump(), "against": "champion", "test": "non_inferiority", "margin": MARGIN}
    return rules.model_copy(update={"rules": [*rules.rules, RuleParams.model_validate(not_worse)]})


def draw_answers(rng: np.random.Generator, models: list[Model], items: int) -> dict[int, Floats]:
    """Return the scores of each model on fresh items; a model repeats most answers of its parent, the one before it."""
    correct = rng.random(items) < models[0].accuracy
    answers = {models[0].number: correct.astype(float)}
    for parent, child in pairwise(models):
        lost = (GAINED * (1 - parent.accuracy) + parent.accuracy - child.accuracy) / parent.accuracy
        draws = rng.random(items)
        correct = np.where(correct, draws >= lost, draws < GAINED)
        answers[child.number] = correct.astype(float)
    return answers


def run_chain(step: float, options: argparse.Namespace, seed: int, *, uses_best: bool) -> tuple[float, int]:
    """Return the accuracy of the last champion, and how many candidates were promoted."""
    rng, gate = np.random.default_rng([seed, round(step * 1000)]), build_gate(options.resamples, seed)
    champion, best, promoted = Model(0, START), list[Model](), [Model(0, START)]
    for number in range(1, options.rounds + 1):
        candidate = Model(number, champion.accuracy - step)
        answers = draw_answers(rng, [*promoted, candidate], options.items)
        references = [champion, *(best if uses_best else [])]
        base = build_pairs(answers[number], (rng.random(options.items) < BASE).astype(float))
        champions = [
            (f"champion {model.version}", {"accuracy": build_pairs(answers[number], answers[model.number])})
            for model in references
        ]
        decision = decide({"base": [("zero_shot", {"accuracy": base})], "champion": champions}, gate)
        if decision.verdict == "promote":
            by_version = {model.version: model for model in references}
            results = [asdict(result) for result in decision.results]
            best = [by_version[version] for version in select_best(results, list(by_version))]
            champion = candidate
            promoted.append(candidate)
    return champion.accuracy, len(promoted) - 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--items", type=int, default=358)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1446)
    options = parser.parse_args()
    start = time.monotonic()
    print("| true loss of a candidate | references | promoted | accuracy at the end | worst |\n|---|---|---|---|---|")
    for step in (0.0, 0.005, 0.01):
        for uses_best in (False, True):
            ends, counts = zip(
                *(
                    run_chain(step, options, options.seed + chain, uses_best=uses_best)
                    for chain in range(options.chains)
                ),
                strict=True,
            )
            name = "and the best so far" if uses_best else "the champion"
            print(f"| {step:g} | {name} | {np.mean(counts):.1f} | {np.mean(ends):.3f} | {min(ends):.3f} |", flush=True)
    print(f"\n{options.chains} chains of {options.rounds} candidates; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
