"""Compare training by TRL's SFTTrainer, transformers' Trainer and Seodang, or Seodang without each of its techniques.

    python benchmarks/training.py [--project DIR] [--precision fp32 bf16] [--steps 40] [--rounds 3] [--variants ...]
    [--json FILE] python benchmarks/training.py --ablation [the same options]

Run the pipeline up to `prepare` in the project first. Each variant runs in a process of its own, in turn, round after
round, with the same model, adapter, optimizer and records. All variants but `trl-grouped` see the same records in the
same optimizer step, so their losses must agree. In fp32 the script fails if they differ in the fourth digit. The first
3 optimizer steps warm up and are not counted. Figures: ms of an optimizer step, records/s, label tokens/s, peak
resident memory, and the mean loss of the counted optimizer steps.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from training_measurement import WARM_UP_STEPS, StepTimer, Workload, run_in_process
from training_variants import ABLATION, TRAINERS

Runs = dict[str, list[dict[str, float]]]  # the figures of each round, by variant
_LOSS_TOLERANCE = 1e-4  # relative, fp32
_OTHER_ORDER = "trl-grouped"  # sees the records in another order


def main() -> None:
    """Run every variant in turn and print medians with their range."""
    options = _parse_options()
    if options.one:
        print(json.dumps(_measure(options.one, options)))
        return
    results: list[dict[str, Any]] = []
    for precision in options.precision:
        runs = _run_rounds(precision, options)
        print(_build_ablation_table(precision, runs) if options.ablation else _build_table(precision, runs), flush=True)
        results.append({"precision": precision, "runs": runs})
        if options.json:
            options.json.write_text(json.dumps(results, indent=1), "utf-8")
    for result in results:
        if result["precision"] == "fp32":
            _check_losses(result["runs"])


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablation", action="store_true", help="Seodang with one of its techniques off each time")
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps of a run, warm-up included")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=[*TRAINERS, *ABLATION], metavar="VARIANT", help="default: all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= WARM_UP_STEPS:
        parser.error(f"--steps must be more than {WARM_UP_STEPS}: the first ones warm up")
    return options


def _run_rounds(precision: str, options: argparse.Namespace) -> Runs:
    variants = options.variants or list(ABLATION if options.ablation else TRAINERS)
    runs: Runs = {variant: [] for variant in variants}
    for number in range(options.rounds):
        start = number % len(variants)
        for variant in variants[start:] + variants[:start]:
            arguments = ["--project", str(options.project), "--precision", precision, "--steps", str(options.steps)]
            runs[variant].append(run_in_process(__file__, *arguments, "--one", variant))
            print(f"round {number + 1} {precision} {variant}: {runs[variant][-1]}", file=sys.stderr, flush=True)
    return runs


def _get_median(runs: Sequence[dict[str, float]], name: str) -> float:
    return median(run[name] for run in runs)


def _format_range(runs: Sequence[dict[str, float]], name: str) -> str:
    values = [run[name] for run in runs]
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _build_table(precision: str, runs: Runs) -> str:
    lines = [
        f"\n{precision}",
        "| variant | records/s (range) | label tokens/s | peak MB | loss | Seodang is |",
        "|---|---|---|---|---|---|",
    ]
    seodang = _get_median(runs["seodang"], "records_per_second") if "seodang" in runs else math.nan
    for variant, found in runs.items():
        lines.append(
            f"| {variant} | {_format_range(found, 'records_per_second')} | {_get_median(found, 'labels_per_second'):.0f} "
            f"| {_get_median(found, 'peak_mb'):,.0f} | {_get_median(found, 'loss'):.4f} "
            f"| {seodang / _get_median(found, 'records_per_second'):.2f} |"
        )
    return "\n".join(lines)


def _build_ablation_table(precision: str, runs: Runs) -> str:
    """Return a table of times; a factor is a variant's median time divided by that of the first variant."""
    lines = [
        f"\n{precision}",
        "| variant | ms per optimizer step (range) | records/s | slower by | peak MB | loss |",
        "|---|---|---|---|---|---|",
    ]
    fastest = _get_median(next(iter(runs.values())), "ms_per_step")
    for variant, found in runs.items():
        lines.append(
            f"| {variant} | {_format_range(found, 'ms_per_step')} | {_get_median(found, 'records_per_second'):.1f} "
            f"| {_get_median(found, 'ms_per_step') / fastest:.2f} | {_get_median(found, 'peak_mb'):,.0f} "
            f"| {_get_median(found, 'loss'):.4f} |"
        )
    return "\n".join(lines)


def _check_losses(runs: Runs) -> None:
    """Exit with an error if two variants differ: they would not train the same model."""
    losses = {variant: _get_median(found, "loss") for variant, found in runs.items() if variant != _OTHER_ORDER}
    if max(losses.values()) - min(losses.values()) > _LOSS_TOLERANCE * max(losses.values()):
        sys.exit(f"the losses of the variants differ: {losses}")


def _measure(variant: str, options: argparse.Namespace) -> dict[str, float]:
    """Train one variant; return what it cost."""
    from seodang.models.device import get_peak_memory_mb

    timer = StepTimer()
    with tempfile.TemporaryDirectory() as scratch:
        workload = load_workload(options.project, options.precision[0], options.steps, Path(scratch))
        {**TRAINERS, **ABLATION}[variant](workload, timer)
    seconds = timer.get_seconds()
    counted = [index for step in workload.steps[WARM_UP_STEPS:] for index in step]
    return {
        "ms_per_step": round(1000 * seconds / (options.steps - WARM_UP_STEPS), 2),
        "records_per_second": round(len(counted) / seconds, 2),
        "labels_per_second": round(sum(int(workload.dataset.label_counts[index]) for index in counted) / seconds, 1),
        "peak_mb": get_peak_memory_mb(),
        "loss": round(timer.compute_mean_loss(), 6),
    }


def load_workload(project: Path, precision: str, steps: int, folder: Path) -> Workload:
    """Tokenize the project's training split, and return its first optimizer steps.

    They must belong to the first epoch, whose last optimizer step may have fewer records than the others.
    """
    from seodang.config.load import load_params
    from seodang.io.jsonl import read_records
    from seodang.models.loading import load_tokenizer
    from seodang.paths import Paths
    from seodang.training.dataset import read_tokenized_dataset, write_tokenized_dataset
    from seodang.training.optimizer_steps import StepSampler

    paths = Paths(project)
    params = load_params(paths.params)
    train = params.train.model_copy(update={"precision": precision, "device": "cpu"})
    tokenizer = load_tokenizer(paths.base)
    records = read_records(paths.get_split_path("train"))
    write_tokenized_dataset(folder / "dataset", records, tokenizer, params.prompt.format, train.max_length)
    dataset = read_tokenized_dataset(folder / "dataset")
    complete = len(dataset) // train.batch_size
    if steps > complete:
        sys.exit(f"--steps is {steps}, but the first epoch has {complete} complete optimizer steps")
    order = list(StepSampler(len(dataset), train.batch_size, train.seed))[:steps]
    return Workload(paths.base, tokenizer, dataset, order, train, folder)


if __name__ == "__main__":
    main()
