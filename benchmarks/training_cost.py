"""What an update of training is spent on, and how its cost grows with the length of records and with the vocabulary.

python benchmarks/training_cost.py [--project DIR] [--precision fp32] [--updates 12] [--rounds 3]

Run the pipeline up to `prepare` in the project first. The profile is of transformers' Trainer and of Seodang, on the project's
model and records. The growth is measured on a random Qwen3 of 4 layers and 256 columns with LoRA on all linear layers, 4
records an update, the second half of each learned; every figure in a process of its own, the two ways in turn. One record
is as long as the other, so nothing is gained by packing, and none begins as another does.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from training import WARM_UP, Clock, with_seodang, with_transformers

ARMS = {"transformers": with_transformers, "seodang": with_seodang}
LENGTHS, VOCABULARIES = (64, 128, 256, 512, 1024), (8192, 32768, 131072, 262144)
MIDDLE_LENGTH, MIDDLE_VOCABULARY = 256, 32768
RECORDS = 4  # an update
# Where the operations of the profile are counted; all others are "small steps".
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
    """Print the profile and both curves."""
    options = _options()
    if options.one:
        print(json.dumps(_measure(options)))
        return
    print(_profiles(options))
    for name, points in (
        ("length", [(length, MIDDLE_VOCABULARY) for length in LENGTHS]),
        ("vocabulary", [(MIDDLE_LENGTH, size) for size in VOCABULARIES]),
    ):
        print(
            f"\n{options.precision}\n| {name} | "
            + " | ".join(f"{arm} ms/update | {arm} peak MB" for arm in ARMS)
            + " |\n"
            + "|---" * (1 + 2 * len(ARMS))
            + "|"
        )
        for length, vocabulary in points:
            print(
                f"| {length if name == 'length' else vocabulary:,} | "
                + " | ".join(_cells(options, length, vocabulary))
                + " |",
                flush=True,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("--one", "--length", "--vocabulary"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    return parser.parse_args()


def _cells(options: argparse.Namespace, length: int, vocabulary: int) -> list[str]:
    rows: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for _ in range(options.rounds):
        for arm, found in rows.items():
            found.append(_child(options, arm, "--length", str(length), "--vocabulary", str(vocabulary)))
    return [
        f"{statistics.median(row[name] for row in found):,.0f}" for found in rows.values() for name in ("ms", "peak_mb")
    ]


def _child(options: argparse.Namespace, arm: str, *more: str) -> dict[str, Any]:
    command = [
        sys.executable,
        __file__,
        "--project",
        str(options.project),
        "--precision",
        options.precision,
        "--updates",
        str(options.updates),
        "--one",
        arm,
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arm} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _profiles(options: argparse.Namespace) -> str:
    found = {arm: _child(options, arm) for arm in ARMS}
    lines = [
        f"{options.precision}, ms of an update, with the profiler's own cost",
        "| | " + " | ".join(found) + " |",
        "|---" * (1 + len(found)) + "|",
    ]
    lines += [
        f"| {kind} | " + " | ".join(f"{row[kind]:,.1f}" for row in found.values()) + " |"
        for kind in [*KINDS, "small steps", "all"]
    ]
    return "\n".join(lines)


def _measure(options: argparse.Namespace) -> dict[str, float]:
    from seodang.config.load import load_params
    from seodang.models.loading import load_tokenizer
    from seodang.paths import Paths

    paths = Paths(options.project)
    params = load_params(paths.params)
    tokenizer = load_tokenizer(paths.base)
    train = params.train.model_copy(update={"precision": options.precision, "device": "cpu"})
    with tempfile.TemporaryDirectory() as scratch:
        if options.length is None:
            return _profile(options, paths, params, train, tokenizer, Path(scratch))
        return _grown(options, train, tokenizer, Path(scratch))


def _profile(
    options: argparse.Namespace, paths: Any, params: Any, train: Any, tokenizer: Any, scratch: Path
) -> dict[str, float]:
    from torch.profiler import ProfilerActivity, profile

    from seodang.io.jsonl import read_records
    from seodang.training.dataset import read_tokenized_dataset, write_tokenized_dataset
    from seodang.training.packing import StepSampler

    write_tokenized_dataset(
        scratch / "lessons", read_records(paths.split("train")), tokenizer, params.prompt.format, train.max_length
    )
    lessons = read_tokenized_dataset(scratch / "lessons")
    order = [
        update for update in StepSampler(len(lessons), train.batch_size, train.seed) if len(update) == train.batch_size
    ][: options.updates]
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        ARMS[options.one](paths.base, tokenizer, lessons, order, train, Clock(), scratch, grouped=False)
    kinds = {name: kind for kind, names in KINDS.items() for name in names}
    sums: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        for kind in (kinds.get(event.key, "small steps"), "all"):
            sums[kind] += event.self_cpu_time_total / 1000 / options.updates
    return dict(sums)


def _grown(options: argparse.Namespace, train: Any, tokenizer: Any, scratch: Path) -> dict[str, float]:
    import numpy as np
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from seodang.training.dataset import DatasetCounts, TokenizedDataset

    length, vocabulary, count = int(options.length), int(options.vocabulary), RECORDS * options.updates
    torch.manual_seed(1)
    sizes = {
        "hidden_size": 256,
        "intermediate_size": 768,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
    }
    Qwen3ForCausalLM(
        Qwen3Config(vocab_size=vocabulary, max_position_embeddings=2048, tie_word_embeddings=True, **sizes)
    ).save_pretrained(scratch / "base")
    draw = np.random.default_rng(1)
    ids = draw.integers(10, vocabulary, (count, length)).astype(np.int32)
    learned = np.tile(np.arange(length) >= length // 2, (count, 1))
    offsets = np.arange(count + 1, dtype=np.int64) * length
    lessons = TokenizedDataset(
        ids.reshape(-1),
        learned.reshape(-1),
        offsets,
        learned.sum(axis=1),
        DatasetCounts(kept=count, too_long=0, without_answer=0),
    )
    settings = train.model_copy(
        update={
            "targets": ["all-linear"],
            "batch_size": RECORDS,
            "batch_tokens": RECORDS * length,
            "max_length": length,
        }
    )
    clock, order = Clock(), np.arange(count).reshape(-1, RECORDS).tolist()
    ARMS[options.one](scratch / "base", tokenizer, lessons, order, settings, clock, scratch, grouped=False)
    ms = 1000 * (clock.ends[-1] - clock.ends[WARM_UP - 1]) / (options.updates - WARM_UP)
    return {"ms": ms, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


if __name__ == "__main__":
    main()
