"""Translate the parameters into arguments of transformers' Trainer; a run and its plan use the same functions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils.import_utils import is_liger_kernel_available

from seodang.config import TrainParams
from seodang.training.assembly import Kernel, select_kernels
from seodang.training.fsdp import build_sharding_kwargs
from seodang.training.packing import PackingConfig

_SAVE_TOTAL_LIMIT = 2  # the newest checkpoint, and the one before in case the newest is damaged
# oneDNN compiles a bf16 CPU kernel for each new number of rows, and bf16 kernels of GPUs work on tiles; padding does
# not help fp32.
_PAD_TO_MULTIPLE_OF = {"fp32": 1, "bf16": 32}
# Names in transformers; its "constant" has no warm-up.
_SCHEDULERS = {"wsd": "warmup_stable_decay", "constant": "constant_with_warmup"}


def compute_save_total_limit(train: TrainParams) -> int:
    """Return the maximum number of checkpoints on the disk; early stopping also keeps the best one."""
    return _SAVE_TOTAL_LIMIT + bool(train.early_stopping_patience)


def build_packing_config(train: TrainParams, *, packed: bool, pad_token_id: int) -> PackingConfig:
    """Return how records become micro-batches.

    Args:
        train: The maximum number of tokens of a micro-batch, and the options below.
        packed: Of `uses_packing`.
        pad_token_id: Token that fills padded rows.
    """
    # On a shared prefix, dropout and noise would be the same for all its records.
    share_prefixes = packed and train.share_prefixes and train.dropout == 0 and train.neftune_noise_alpha == 0
    return PackingConfig(
        tokens_per_micro_batch=train.tokens_per_micro_batch,
        packed=packed,
        share_prefixes=share_prefixes,
        pad_token_id=pad_token_id,
        pad_to_multiple_of=_PAD_TO_MULTIPLE_OF[train.precision],
    )


class _CheckpointCallback(TrainerCallback):
    """Request a checkpoint every `save_steps` steps, and a log entry with it, from which a resumed run continues."""

    def __init__(self, save_steps: int) -> None:
        self._save_steps = save_steps

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request both; after the last optimizer step, the log entry only."""
        last = state.global_step == state.max_steps
        if last or state.global_step % self._save_steps == 0:
            control.should_log = True
            control.should_save |= not last


class _LogOnEvaluateCallback(TrainerCallback):
    """Request a log entry with each evaluation: with early stopping, any evaluation may be the last."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request it if an evaluation follows the optimizer step."""
        control.should_log |= control.should_evaluate

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Request it if an evaluation follows the epoch."""
        control.should_log |= control.should_evaluate


def build_callbacks(train: TrainParams) -> list[TrainerCallback]:
    """Return the callbacks for checkpoints and early stopping."""
    callbacks: list[TrainerCallback] = [_CheckpointCallback(train.save_steps)]
    if train.early_stopping_patience:
        callbacks += [_LogOnEvaluateCallback(), EarlyStoppingCallback(train.early_stopping_patience)]
    return callbacks


def compute_max_steps(train: TrainParams, records: int) -> int:
    """Return the number of optimizer steps of a run."""
    return math.ceil(train.epochs * math.ceil(records / train.batch_size))


def _compute_decay_steps(train: TrainParams, records: int) -> int:
    """Return the number of optimizer steps of the decay; the steps of the warm-up, rounded up, stay before it."""
    steps = compute_max_steps(train, records)
    return min(round(train.decay_ratio * steps), steps - math.ceil(train.warmup_ratio * steps))


def build_trainer_kwargs(train: TrainParams, device: str, run: Path, records: int) -> dict[str, Any]:
    """Return the arguments of transformers' TrainingArguments.

    Args:
        train: The method and the optimizer.
        device: "cpu", "cuda" or "mps".
        run: The folder of its checkpoints.
        records: Number of training records.
    """
    validation = "epoch" if train.eval_steps is None else "steps"
    best = bool(train.early_stopping_patience)
    return {
        "output_dir": str(run),
        "seed": train.seed,
        "data_seed": train.seed,
        "use_cpu": device == "cpu",
        "bf16": is_mixed_precision(train),
        "num_train_epochs": train.epochs,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": _SCHEDULERS.get(train.lr_scheduler, train.lr_scheduler),
        "lr_scheduler_kwargs": {"num_decay_steps": _compute_decay_steps(train, records)}
        if train.lr_scheduler == "wsd"
        else {},
        "warmup_steps": train.warmup_ratio,  # a float is a ratio of the optimizer steps
        "max_grad_norm": train.max_grad_norm,
        "weight_decay": train.weight_decay,
        **build_sharding_kwargs(train),
        "ddp_find_unused_parameters": False,  # every micro-batch uses every layer
        "use_liger_kernel": device == "cuda" and train.kernels == "auto" and is_liger_kernel_available(),
        # Liger's fused loss would replace ours, which computes label positions only.
        "liger_kernel_config": {"fused_linear_cross_entropy": False, "cross_entropy": False},
        "logging_steps": train.logging_steps,
        "logging_nan_inf_filter": False,
        "eval_strategy": validation,
        "eval_steps": train.eval_steps,
        "save_strategy": validation if best else "no",  # besides _CheckpointCallback
        "save_steps": train.eval_steps or 500,
        "save_total_limit": compute_save_total_limit(train),
        "load_best_model_at_end": best,
        "metric_for_best_model": "eval_loss" if best else None,
        "greater_is_better": False if best else None,
        "restore_callback_states_from_checkpoint": best,
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def build_training_arguments(settings: dict[str, Any]) -> TrainingArguments:
    """Return the Trainer's arguments, with one device per process.

    Otherwise Trainer would split each micro-batch over all GPUs (DataParallel), and packed rows cannot be split.
    """
    arguments = TrainingArguments(**settings)
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def is_mixed_precision(train: TrainParams, kernels: frozenset[Kernel] | None = None) -> bool:
    """Return whether bf16 needs autocast: trainable weights are fp32, and only the LoRA kernel casts them itself.

    Args:
        train: Precision, method and dropout; the LoRA kernel supports no dropout.
        kernels: The kernels in use; None: those of train.kernels.
    """
    selected = select_kernels(train) if kernels is None else kernels
    return train.precision == "bf16" and ("lora" not in selected or train.dropout > 0)
