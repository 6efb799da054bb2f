"""Whether a calibration finds the biases that a simulated judge has, and no others.

    python benchmarks/judge_biases.py --pairs 120 --seed 1

People prefer the longer answer in six of ten pairs. Each judge has one habit. The rows show what the calibration
reports about it: kappa, the share of verdicts that follow the position, and the gap by length.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from seodang.evaluation.judge.calibration import build_report
from seodang.evaluation.judge.endpoint import Endpoint
from seodang.evaluation.judge.labels import HumanLabels, LabelledPair
from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.evaluation.judge.verdicts import PairVerdict

LONGER_PREFERRED = 0.6
ERROR_RATE = 0.2
HABIT_RATE = 0.3
Draw = Callable[[np.random.Generator, float, bool], tuple[float | None, float | None]]
"""Takes the label and whether answer A is the longer one; returns the score of A in both orders."""


def _copy(_generator: np.random.Generator, label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    return label, label


def _err(generator: np.random.Generator, label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    score = 1 - label if generator.random() < ERROR_RATE else label
    return score, score


def _guess(generator: np.random.Generator, _label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    score = float(generator.random() < 0.5)
    return score, score


def _toss_twice(generator: np.random.Generator, _label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    return float(generator.random() < 0.5), float(generator.random() < 0.5)


def _prefer_longer(generator: np.random.Generator, label: float, is_longer: bool) -> tuple[float | None, float | None]:
    score = float(is_longer) if generator.random() < HABIT_RATE else label
    return score, score


def _prefer_first(generator: np.random.Generator, label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    return (1.0, 0.0) if generator.random() < HABIT_RATE else (label, label)


def _always_first(
    _generator: np.random.Generator, _label: float, _is_longer: bool
) -> tuple[float | None, float | None]:
    return 1.0, 0.0


def _fall_silent(generator: np.random.Generator, label: float, _is_longer: bool) -> tuple[float | None, float | None]:
    return (None, label) if generator.random() < HABIT_RATE else (label, label)


JUDGES: dict[str, Draw] = {
    "agrees with people": _copy,
    "errs in 20 %": _err,
    "guesses, the same in both orders": _guess,
    "tosses a coin for each order": _toss_twice,
    "prefers the longer answer in 30 %": _prefer_longer,
    "prefers the first answer in 30 %": _prefer_first,
    "always prefers the first answer": _always_first,
    "gives no verdict in 30 %": _fall_silent,
}


def simulate(draw: Draw, pairs: int, seed: int) -> dict[str, str]:
    """Return the columns of a judge's row."""
    generator = np.random.default_rng(seed)
    labelled, verdicts = [], []
    for number in range(pairs):
        one, other = (int(length) for length in generator.choice(np.arange(20, 400), size=2, replace=False))
        is_longer = one > other
        label = float(is_longer == (generator.random() < LONGER_PREFERRED))
        first = ModelAnswer(task="t", item=str(number), language="ko", prompt="질문", answer="가" * one)
        labelled.append(
            LabelledPair(pair=(first, replace(first, answer="가" * other)), group=str(number), ratings=(label,))
        )
        scores = draw(generator, label, is_longer)
        verdicts.append(PairVerdict(by_order=scores, failures=("unreadable",) if None in scores else ()))
    labels = HumanLabels(pairs=labelled, checksum="", raters=1, unlabelled=0)
    endpoint = Endpoint(base_url="", model="simulated", api_key="", max_tokens=1, timeout=1.0)
    report = build_report(labels, verdicts, endpoint)
    return {
        "agreement": _format(report["agreement"]["share"]),
        "kappa": _format(report["agreement"]["kappa"]),
        "position": _format(report["position"]["share"]),
        "length gap": _format(report["length"]["gap"]),
        "no verdict": str(sum(report["without_verdict"].values())),
    }


def _format(estimate: dict[str, float | None]) -> str:
    if estimate["value"] is None:
        return "-"
    interval = "" if estimate["low"] is None else f" [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    return f"{estimate['value']:.2f}{interval}"


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=120, help="labelled pairs")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    options = parser.parse_args()
    rows = {name: simulate(draw, options.pairs, options.seed) for name, draw in JUDGES.items()}
    columns = list(next(iter(rows.values())))
    print(f"| judge | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(row.values())} |")


if __name__ == "__main__":
    main()
