"""Training side by side: TRL's SFTTrainer, transformers' Trainer, and Seodang.

python benchmarks/training.py [--project DIR] [--precision fp32 bf16] [--updates 40] [--rounds 3] [--arms ...] [--json FILE]

Run the pipeline up to `prepare` in the project first. Each arm runs in a process of its own, in turn, round after round,
on the same model, adapter, optimiser and records; all but `trl-grouped` see the same records in the same update, so their
losses must agree. The first updates warm up and are not counted. Figures: records/s, learned tokens/s, peak resident
memory, mean loss of the counted updates.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WARM_UP = 3  # updates
ARMS = ("seodang", "trl", "trl-grouped", "transformers")


def main() -> None:
    """Run every arm in turn and print medians with their range."""
    options = _options()
    if options.one:
        print(json.dumps(_measure(options.one, options)))
        return
    found = []
    for precision in options.precision:
        rows: dict[str, list[dict[str, float]]] = {arm: [] for arm in options.arms}
        for number in range(options.rounds):
            order = options.arms[number % len(options.arms) :] + options.arms[: number % len(options.arms)]
            for arm in order:
                rows[arm].append(_in_its_own_process(arm, precision, options))
                print(f"round {number + 1} {precision} {arm}: {rows[arm][-1]}", file=sys.stderr)
        print(_table(precision, rows))
        found.append({"precision": precision, "rows": rows})
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_its_own_process(arm: str, precision: str, options: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--project",
        str(options.project),
        "--precision",
        precision,
        "--updates",
        str(options.updates),
        "--one",
        arm,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arm} failed:\n{done.stderr[-3000:]}")
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def _table(precision: str, rows: dict[str, list[dict[str, float]]]) -> str:
    ours = statistics.median(row["records_per_second"] for row in rows["seodang"]) if rows.get("seodang") else math.nan
    lines = [
        f"\n{precision}",
        "| arm | records/s (range) | learned tokens/s | peak MB | loss | seodang / it |",
        "|---|---|---|---|---|---|",
    ]
    for arm, runs in rows.items():
        speeds = [run["records_per_second"] for run in runs]
        learned, memory, loss = (
            statistics.median(run[name] for run in runs) for name in ("learned_per_second", "peak_mb", "loss")
        )
        middle = statistics.median(speeds)
        lines.append(
            f"| {arm} | {middle:.1f} ({min(speeds):.1f} to {max(speeds):.1f}) | {learned:.0f} | {memory:.0f} | {loss:.4f} "
            f"| {ours / middle:.2f} |"
        )
    return "\n".join(lines)


def _measure(arm: str, options: argparse.Namespace) -> dict[str, float]:
    """Train so many updates one way; return what it cost."""
    from seodang.config.load import load_params
    from seodang.io.jsonl import read_records
    from seodang.models.loading import load_tokenizer
    from seodang.paths import Paths
    from seodang.training.dataset import read_tokenized_dataset, write_tokenized_dataset
    from seodang.training.packing import StepSampler

    paths = Paths(options.project)
    params = load_params(paths.params)
    train = params.train.model_copy(update={"precision": options.precision[0], "device": "cpu"})
    tokenizer = load_tokenizer(paths.base)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "lessons"
        write_tokenized_dataset(
            folder, read_records(paths.get_split_path("train")), tokenizer, params.prompt.format, train.max_length
        )
        lessons = read_tokenized_dataset(folder)
        sampler, order = StepSampler(len(lessons), train.batch_size, train.seed), []
        epoch = 0
        while len(order) < options.updates:
            sampler.set_epoch(epoch)
            order += [update for update in sampler if len(update) == train.batch_size]
            epoch += 1
        order = order[: options.updates]
        clock = Clock()
        run: Callable[..., None] = {
            "seodang": with_seodang,
            "trl": with_trl,
            "trl-grouped": with_trl,
            "transformers": with_transformers,
        }[arm]
        run(paths.base, tokenizer, lessons, order, train, clock, Path(scratch), grouped=arm == "trl-grouped")
    seconds = clock.ends[-1] - clock.ends[WARM_UP - 1]
    counted = [number for update in order[WARM_UP:] for number in update]
    return {
        "records_per_second": round(len(counted) / seconds, 2),
        "learned_per_second": round(sum(int(lessons.label_counts[number]) for number in counted) / seconds, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "loss": round(clock.mean_loss(), 5),
        "seconds": round(seconds, 2),
    }


class Clock:
    """When each update ended, and the losses that were logged."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.losses: list[float] = []

    def callback(self) -> Any:
        """Return what the Trainer tells of its updates."""
        from transformers import TrainerCallback

        clock = self

        class Ends(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                clock.ends.append(time.perf_counter())

            def on_log(self, _: Any, __: Any, ___: Any, logs: dict[str, float] | None = None, **____: Any) -> None:
                for name in ("loss", "train_loss"):
                    if name in (logs or {}) and "train_runtime" not in (logs or {}):
                        clock.losses.append(float((logs or {})[name]))

        return Ends()

    def mean_loss(self) -> float:
        """Return the mean over the counted updates; every update is logged."""
        return statistics.mean(self.losses[WARM_UP:])


def _common(train: Any, updates: int, folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder), "seed": train.seed, "use_cpu": True, "per_device_train_batch_size": train.batch_size,
        "max_steps": updates, "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.lr_scheduler, "warmup_steps": train.warmup_ratio,
        "max_grad_norm": train.max_grad_norm, "weight_decay": train.weight_decay,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip


def _rows(lessons: Any, order: Sequence[Sequence[int]]) -> list[dict[str, list[int]]]:
    rows = []
    for number in (number for update in order for number in update):
        ids, learned = lessons[number].ids.tolist(), lessons[number].learned.tolist()
        rows.append(
            {"input_ids": ids, "labels": [token if label else -100 for token, label in zip(ids, learned, strict=True)]}
        )
    return rows


def _lora(train: Any) -> Any:
    from peft import LoraConfig

    targets = "all-linear" if train.target_modules == ["all-linear"] else train.target_modules
    return LoraConfig(
        r=train.rank, lora_alpha=train.alpha, lora_dropout=train.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )


def _base(folder: Path, precision: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder, dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    )


def with_trl(
    base: Path,
    tokenizer: Any,
    lessons: Any,
    order: list[list[int]],
    train: Any,
    clock: Clock,
    folder: Path,
    *,
    grouped: bool,
) -> None:
    """TRL's fastest documented way on a CPU: its chunked loss; packing without padding needs FlashAttention, which has no CPU kernel."""
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    set_seed(train.seed)
    sampling = "group_by_length" if grouped else "sequential"
    trainer = SFTTrainer(
        model=_base(base, train.precision),
        args=SFTConfig(
            **_common(train, len(order), folder),
            bf16=train.precision == "bf16",
            max_length=None,
            train_sampling_strategy=sampling,
            dataset_kwargs={"skip_prepare_dataset": True},
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(_rows(lessons, order)),
        processing_class=tokenizer,
        peft_config=_lora(train),
        callbacks=[clock.callback()],
    )
    trainer.train()


def with_transformers(
    base: Path,
    tokenizer: Any,
    lessons: Any,
    order: list[list[int]],
    train: Any,
    clock: Clock,
    folder: Path,
    *,
    grouped: bool,
) -> None:
    """Transformers' Trainer and its own collator, padding to the longest."""
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments, set_seed

    set_seed(train.seed)
    rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in _rows(lessons, order)]
    Trainer(
        model=get_peft_model(_base(base, train.precision), _lora(train)),
        args=TrainingArguments(
            **_common(train, len(order), folder), bf16=train.precision == "bf16", train_sampling_strategy="sequential"
        ),
        train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForSeq2Seq(tokenizer, padding="longest"),
        callbacks=[clock.callback()],
    ).train()


def with_seodang(
    base: Path,
    tokenizer: Any,
    lessons: Any,
    order: list[list[int]],
    train: Any,
    clock: Clock,
    folder: Path,
    *,
    grouped: bool,
) -> None:
    """The trainer of stage `train`, without its trackers, validation and checks."""
    from seodang.models.device import keep_freed_memory
    from seodang.models.loading import load_model
    from seodang.models.tokenization import get_pad_id
    from seodang.training.finetune import train_steps

    keep_freed_memory()
    train_steps(
        load_model(base, train.precision, "cpu"),
        lessons,
        train,
        len(order),
        pad_token_id=get_pad_id(tokenizer),
        device="cpu",
        run=folder / "run",
        callbacks=[clock.callback()],
    )


if __name__ == "__main__":
    main()
