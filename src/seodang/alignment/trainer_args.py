"""Translate the parameters into arguments of TRL's trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from seodang.config import AlignParams, TrainParams

_SAVE_TOTAL_LIMIT: Final = 2  # the newest checkpoint, and the one before in case the newest is damaged
_SCHEDULERS: Final = {"constant": "constant_with_warmup"}  # the "constant" of transformers has no warm-up


def build_trainer_kwargs(align: AlignParams, train: TrainParams, device: str, run: Path) -> dict[str, Any]:
    """Return the arguments that all configurations of TRL share.

    Args:
        align: The method and its optimizer.
        train: Precision and activation checkpointing, as in training.
        device: "cpu", "cuda" or "mps".
        run: The folder of the checkpoints.
    """
    return {
        "output_dir": str(run),
        "seed": align.seed,
        "data_seed": align.seed,
        "use_cpu": device == "cpu",
        "bf16": train.precision == "bf16",  # TRL's own default is true, also on a CPU
        "num_train_epochs": align.epochs,
        "learning_rate": align.learning_rate,
        "lr_scheduler_type": _SCHEDULERS.get(align.lr_scheduler, align.lr_scheduler),
        "warmup_steps": align.warmup_ratio,  # a float is a ratio of the optimizer steps
        "max_grad_norm": align.max_grad_norm,
        "weight_decay": 0.0,
        "per_device_train_batch_size": align.micro_batch_size,
        "per_device_eval_batch_size": align.micro_batch_size,
        "gradient_accumulation_steps": align.batch_size // align.micro_batch_size,
        "gradient_checkpointing": train.activation_checkpointing,
        "beta": align.beta,
        "max_length": align.max_length,  # longer records are already left out: nothing is cut
        "logging_steps": align.logging_steps,
        "logging_nan_inf_filter": False,
        "eval_strategy": "epoch",
        "save_strategy": "no",  # besides the callback for checkpoints
        "save_total_limit": _SAVE_TOTAL_LIMIT,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
