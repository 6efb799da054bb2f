"""What the gate says about published means, whatever the scores of the single items were.

    python benchmarks/least_favourable.py [--confidence 0.9964]

Where only the means of two models are known, the items are paired as badly for the tuned model as the means permit:
as often as possible only the base is right. A rule of right or wrong that is met then is met with every pairing, and
against every other prompt of the base whose mean is lower. The rows are the rules against the base of the third
verdict on Gemma 3 270M (docs/results.md), at the strictest confidence that its ledger asked for.
"""

from __future__ import annotations

import argparse
from typing import Final

import numpy as np
from gate_models import build_pairs, build_rules

from seodang.gate.decision import decide
from seodang.gate.statistics import Floats

ROWS: Final = (
    ("NSMC, bare", 2435, 0.592, 0.864),
    ("NSMC, question", 2440, 0.585, 0.858),
    ("KoBEST SentiNeg", 400, 0.500, 0.968),
    ("IFEval in English, followed and ended", 200, 0.080, 0.215),
    ("ifeval_ko_short, followed and ended", 345, 0.130, 0.313),
)
"""Tasks, items, mean of the base's best prompt, mean of the tuned model."""
LOWER_PROMPTS: Final = (1.0, 0.9, 0.5)
"""Means of the base's prompts, as shares of that of the best one."""


def pair_worst(items: int, base: float, tuned: float) -> tuple[Floats, Floats]:
    """Return scores of the tuned model and the base with these means: as often as possible only the base is right."""
    base_right, tuned_right = round(base * items), round(tuned * items)
    both = max(0, base_right + tuned_right - items)
    scores = np.zeros((2, items))
    scores[0, base_right - both : base_right - both + tuned_right] = 1.0
    scores[1, :base_right] = 1.0
    shuffled: Floats = np.random.default_rng(0).permutation(scores, axis=1)
    return shuffled[0], shuffled[1]


def main() -> None:
    """Print a row for each rule and prompt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--confidence", type=float, default=0.9964)
    confidence = parser.parse_args().confidence
    rules = build_rules(("accuracy",), 10_000, seed=1, against="base").model_copy(update={"confidence": confidence})
    print("| rule | items | base | tuned | only the base right | difference | met |\n|---|---|---|---|---|---|---|")
    for name, items, best, tuned in ROWS:
        for share in LOWER_PROMPTS:
            candidate, reference = pair_worst(items, best * share, tuned)
            pairs = {"accuracy": build_pairs(candidate, reference)}
            [result] = decide({"base": [("zero_shot/plain", pairs)]}, rules).results
            lost = int(np.sum(reference > candidate))
            interval = f"{result.difference:+.3f} [{result.low:+.3f}, {result.high:+.3f}]"
            met = {True: "yes", False: "violated", None: "undecided"}[result.passed]
            print(f"| {name} | {items} | {best * share:.3f} | {tuned:.3f} | {lost} | {interval} | {met} |", flush=True)


if __name__ == "__main__":
    main()
