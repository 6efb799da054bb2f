"""Profile an optimizer step, and measure how its time and memory grow with record length and vocabulary.

    python benchmarks/training_cost.py [--project DIR] [--precision fp32] [--steps 12] [--rounds 3]

Run the pipeline up to `prepare` in the project first. The profile is of transformers' Trainer and of Seodang, on the
project's model and records. The growth is measured on a random Qwen3 of 4 layers and 256 columns with LoRA on all
linear layers. An optimizer step has 4 records of the same length, whose second half is labels, so that neither packing
nor shared prefixes help. Each figure comes from a process of its own; the two variants alternate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from training import load_workload
from training_measurement import WARM_UP_STEPS, StepTimer, Workload, run_in_process
from training_variants import TRAINERS

VARIANTS = ("transformers", "seodang")
LENGTHS, VOCABULARIES = (64, 128, 256, 512, 1024), (8192, 32768, 131072, 262144)
MIDDLE_LENGTH, MIDDLE_VOCABULARY = 256, 32768
RECORDS_PER_STEP = 4
_LABEL_DIVISOR = 2  # the last half of a record is labels
_OTHER, _ALL = "small operations", "all"
# The kind of each operation of the profile; every other one is a small operation.
KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm"),
    "attention": (
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    ),
    "softmax and loss": (
        "aten::_log_softmax",
        "aten::_log_softmax_backward_data",
        "aten::nll_loss_forward",
        "aten::nll_loss_backward",
        "aten::logsumexp",
        "aten::exp_",
        "aten::sub_",
    ),
    "copies and zeros": (
        "aten::copy_",
        "aten::fill_",
        "aten::cat",
        "aten::index_select",
        "aten::scatter_add_",
        "aten::index_add_",
        "aten::clone",
    ),
}


def main() -> None:
    """Print the profile and both tables of growth."""
    options = _parse_options()
    if options.one:
        print(json.dumps(_measure(options)))
        return
    print(_build_profile_table(options))
    _print_growth_table(options, "length", [(length, MIDDLE_VOCABULARY) for length in LENGTHS])
    _print_growth_table(options, "vocabulary", [(MIDDLE_LENGTH, size) for size in VOCABULARIES])


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps of a run, warm-up included")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--length", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--vocabulary", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps <= WARM_UP_STEPS:
        parser.error(f"--steps must be more than {WARM_UP_STEPS}: the first ones warm up")
    return options


def _run_variant(options: argparse.Namespace, variant: str, *more: str) -> dict[str, float]:
    arguments = ["--project", str(options.project), "--precision", options.precision, "--steps", str(options.steps)]
    return run_in_process(__file__, *arguments, "--one", variant, *more)


def _build_profile_table(options: argparse.Namespace) -> str:
    figures = {variant: _run_variant(options, variant) for variant in VARIANTS}
    lines = [
        f"{options.precision}, ms of an optimizer step; the profiler itself takes time, too",
        "| | " + " | ".join(figures) + " |",
        "|---" * (1 + len(figures)) + "|",
    ]
    rows = {kind: [f"{sums.get(kind, 0.0):,.1f}" for sums in figures.values()] for kind in [*KINDS, _OTHER, _ALL]}
    return "\n".join([*lines, *(f"| {kind} | {' | '.join(cells)} |" for kind, cells in rows.items())])


def _print_growth_table(options: argparse.Namespace, name: str, points: list[tuple[int, int]]) -> None:
    heading = " | ".join(f"{variant} ms/step | {variant} peak MB" for variant in VARIANTS)
    print(f"\n{options.precision}\n| {name} | {heading} |\n" + "|---" * (1 + 2 * len(VARIANTS)) + "|")
    for length, vocabulary in points:
        cells = " | ".join(_measure_point(options, length, vocabulary))
        print(f"| {length if name == 'length' else vocabulary:,} | {cells} |", flush=True)


def _measure_point(options: argparse.Namespace, length: int, vocabulary: int) -> list[str]:
    """Return the median time and peak memory of each variant."""
    runs: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    sizes = ("--length", str(length), "--vocabulary", str(vocabulary))
    for _ in range(options.rounds):
        for variant, found in runs.items():
            found.append(_run_variant(options, variant, *sizes))
    return [f"{median(run[name] for run in found):,.0f}" for found in runs.values() for name in ("ms", "peak_mb")]


def _measure(options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        workload = load_workload(options.project, options.precision, options.steps, Path(scratch))
        if options.length is None:
            return _profile(options.one, workload)
        return _time_random_model(options.one, _build_random_workload(workload, options.length, options.vocabulary))


def _profile(variant: str, workload: Workload) -> dict[str, float]:
    """Return the milliseconds of an optimizer step by kind of operation."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        TRAINERS[variant](workload, StepTimer())
    kind_of = {name: kind for kind, names in KINDS.items() for name in names}
    sums: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        for kind in (kind_of.get(event.key, _OTHER), _ALL):
            sums[kind] += event.self_cpu_time_total / 1000 / len(workload.steps)
    return dict(sums)


def _build_random_workload(workload: Workload, length: int, vocabulary: int) -> Workload:
    """Return as many optimizer steps of random tokens, and write a random model for them."""
    import numpy as np

    from seodang.training.dataset import DatasetCounts, TokenizedDataset

    base = workload.folder / "base"
    _write_random_model(base, vocabulary)
    count = RECORDS_PER_STEP * len(workload.steps)
    ids = np.random.default_rng(1).integers(10, vocabulary, (count, length)).astype(np.int32)
    loss_mask = np.tile(np.arange(length) >= length // _LABEL_DIVISOR, (count, 1))
    dataset = TokenizedDataset(
        ids.reshape(-1),
        loss_mask.reshape(-1),
        np.arange(count + 1, dtype=np.int64) * length,
        loss_mask.sum(axis=1),
        DatasetCounts(kept=count, too_long=0, without_answer=0),
    )
    changes = {
        "target_modules": ["all-linear"],
        "batch_size": RECORDS_PER_STEP,
        "tokens_per_micro_batch": RECORDS_PER_STEP * length,
        "max_length": length,
    }
    steps = np.arange(count).reshape(-1, RECORDS_PER_STEP).tolist()
    train = workload.train.model_copy(update=changes)
    return Workload(base, workload.tokenizer, dataset, steps, train, workload.folder)


def _write_random_model(folder: Path, vocabulary: int) -> None:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=vocabulary,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)


def _time_random_model(variant: str, workload: Workload) -> dict[str, float]:
    from seodang.models.device import get_peak_memory_mb

    timer = StepTimer()
    TRAINERS[variant](workload, timer)
    milliseconds = 1000 * timer.get_seconds() / (len(workload.steps) - WARM_UP_STEPS)
    return {"ms": milliseconds, "peak_mb": get_peak_memory_mb()}


if __name__ == "__main__":
    main()
