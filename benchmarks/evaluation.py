"""Log-likelihoods and speed on a Korean choice task side by side: EleutherAI's lm-evaluation-harness and Seodang.

    python benchmarks/evaluation.py --data DIR [--task sentineg|boolq] [--model DIR] [--precision fp32|bf16]
        [--shots 10] [--items 400] [--rounds 3] [--batch-sizes 1 8 32] [--threads 1] [--harness DIR] [--json FILE]

DIR of `--data` holds KoBEST's own files (BoolQ_train.tsv, BoolQ_dev.tsv, SentiNeg_...). The harness is lm_eval of
requirements-harness.lock (`make harness`), or is installed in a folder that `--harness` names. It runs its own task
definition on the same items, with the first training rows as few-shot examples. Seodang scores the same texts as the
same tokens.

Each variant runs in a process of its own, in turn, round after round: Seodang, and the harness once with each batch
size. The time is from texts to log-likelihoods: it includes tokenizing, but not loading the model and the data.
Figures: items/s, items per second of CPU time, peak resident memory, the largest difference of a log-likelihood, and
predictions that differ.

If the machine has other work, use one thread and compare CPU time: with two threads the figures measure the scheduler.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from evaluation_variants import ITEMS_FILE, TASKS, TRAIN_FILE, ScoringJob, score_with_harness, score_with_seodang

REPOSITORY = Path(__file__).resolve().parents[1]
SEODANG = "seodang"
_HARNESS_PREFIX = "harness-"  # the batch size follows
_RATES = ("items_per_second", "items_per_cpu_second")

Runs = dict[str, list[dict[str, Any]]]  # the results of each round, by variant


def main() -> None:
    """Run every variant in turn and print medians with their range."""
    options = _parse_options()
    if options.one:
        _measure(options)
        return
    with tempfile.TemporaryDirectory() as scratch:
        _write_data(options, Path(scratch))
        runs = _run_rounds(options, Path(scratch))
    print(_build_table(options, runs))
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1), "utf-8")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", choices=TASKS, default="sentineg")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "models" / "primer-base")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", nargs="*", default=["1", "8", "32"], help="none: Seodang alone")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _write_data(options: argparse.Namespace, scratch: Path) -> None:
    """Write the few-shot examples and the items with the column names of the harness."""
    task = TASKS[options.task]
    for split, name, count in (("train", TRAIN_FILE, options.shots), ("dev", ITEMS_FILE, options.items)):
        with (options.data / f"{task.file}_{split}.tsv").open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row[task.label]]
        items = [
            {name: row[column] for name, column in task.columns.items()}
            | {"label": int(row[task.label].lower() in {"1", "true"})}
            for row in rows[:count]
        ]
        (scratch / name).write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), "utf-8")


def _run_rounds(options: argparse.Namespace, scratch: Path) -> Runs:
    variants = [SEODANG, *(f"{_HARNESS_PREFIX}{size}" for size in options.batch_sizes)]
    runs: Runs = {variant: [] for variant in variants}
    for number in range(options.rounds):
        start = number % len(variants)
        for variant in variants[start:] + variants[:start]:
            result = _run_in_process(variant, options, scratch)
            runs[variant].append(result)
            summary = {name: result[name] for name in (*_RATES, "peak_mb", "accuracy")}
            print(f"round {number + 1} {variant}: {summary}", file=sys.stderr, flush=True)
    return runs


def _run_in_process(variant: str, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", variant, "--scratch", str(scratch)]
    for name in ("data", "task", "model", "precision", "shots"):
        command += [f"--{name}", str(getattr(options, name))]
    paths = [str(REPOSITORY / "src"), *([str(options.harness)] if options.harness and variant != SEODANG else [])]
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(scratch),
        "TOKENIZERS_PARALLELISM": "false",
    }
    completed = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    if completed.returncode:
        sys.exit(f"{variant} failed:\n{completed.stderr[-3000:]}")
    result: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return result


def _measure(options: argparse.Namespace) -> None:
    """Score all items with one tool, and write the results."""
    from seodang.models.device import get_peak_memory_mb

    job = ScoringJob(options.task, options.model, options.precision, options.shots, options.scratch)
    batch_size = options.one.removeprefix(_HARNESS_PREFIX)
    scores = score_with_seodang(job) if options.one == SEODANG else score_with_harness(job, batch_size)
    items = job.read_items()
    correct = [_predict(row) == item["label"] for row, item in zip(scores.likelihoods, items, strict=True)]
    result = {
        "items_per_second": round(len(items) / scores.seconds, 4),
        "items_per_cpu_second": round(len(items) / scores.cpu_seconds, 4),
        "peak_mb": get_peak_memory_mb(),
        "accuracy": round(mean(correct), 4),
        "texts": [hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16] for pairs in scores.texts],
        "likelihoods": scores.likelihoods,
    }
    (options.scratch / "result.json").write_text(json.dumps(result))


def _predict(likelihoods: Sequence[float]) -> int:
    return max(range(len(likelihoods)), key=likelihoods.__getitem__)


@dataclass(frozen=True, slots=True)
class _Comparison:
    largest_difference: float  # of any option's log-likelihood, in nats
    other_predictions: int


def _compare(seodang: dict[str, Any], other: dict[str, Any]) -> _Comparison:
    for index, (text, other_text) in enumerate(zip(seodang["texts"], other["texts"], strict=True)):
        if text != other_text:
            sys.exit(f"the two tools scored different texts for item {index}")
    pairs = list(zip(seodang["likelihoods"], other["likelihoods"], strict=True))
    differences = [abs(a - b) for row, other_row in pairs for a, b in zip(row, other_row, strict=True)]
    return _Comparison(max(differences), sum(_predict(row) != _predict(other_row) for row, other_row in pairs))


def _build_table(options: argparse.Namespace, runs: Runs) -> str:
    items = len(runs[SEODANG][0]["likelihoods"])
    lines = [
        f"\n{options.task}, {options.shots} shots, {items} items, {options.model.name}, {options.precision}, "
        f"{options.threads} thread(s), {options.rounds} rounds",
        "| variant | items/s (range) | items/CPU s (range) | peak MB | accuracy | largest difference, nats "
        "| other predictions | Seodang is: items/s, items/CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_build_row(variant, runs) for variant in runs]
    if len(runs) > 1:
        others = [variant for variant in runs if variant != SEODANG]
        wall, cpu = (min(_compute_ratio(runs, variant, rate) for variant in others) for rate in _RATES)
        lines.append(
            f"Against the harness at its best batch size: {wall:.2f} times the items/s, {cpu:.2f} times the items/CPU s."
        )
    return "\n".join(lines)


def _build_row(variant: str, runs: Runs) -> str:
    found = runs[variant]
    cells = [variant]
    for rate in _RATES:
        values = [run[rate] for run in found]
        cells.append(f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    comparison = _compare(runs[SEODANG][0], found[0])
    cells += [
        f"{median(run['peak_mb'] for run in found):,.0f}",
        f"{found[0]['accuracy']:.3f}",
        f"{comparison.largest_difference:.1e}",
        str(comparison.other_predictions),
        ", ".join(f"{_compute_ratio(runs, variant, rate):.2f}" for rate in _RATES),
    ]
    return f"| {' | '.join(cells)} |"


def _compute_ratio(runs: Runs, variant: str, rate: str) -> float:
    """Return how many times as fast as the variant Seodang is."""
    return float(median(run[rate] for run in runs[SEODANG]) / median(run[rate] for run in runs[variant]))


if __name__ == "__main__":
    main()
