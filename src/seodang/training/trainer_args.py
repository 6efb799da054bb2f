"""How parameters become the Trainer's settings: one place, which a plan asks too."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils.import_utils import is_liger_kernel_available

from seodang.config import TrainParams
from seodang.training.fsdp import build_sharding_kwargs
from seodang.training.packing import PackingConfig

_SAVE_TOTAL_LIMIT = 2  # kept: the newest, and one to go back to when it is damaged
# oneDNN builds its bf16 kernels for CPUs anew for each number of rows that it meets, and those of GPUs like whole tiles; fp32 gains nothing by filling up.
_PAD_TO_MULTIPLE_OF = {"fp32": 1, "bf16": 32}
# transformers' names. Its "constant" would leave the warm-up out.
_SCHEDULERS = {"wsd": "warmup_stable_decay", "constant": "constant_with_warmup"}


def compute_save_total_limit(train: TrainParams) -> int:
    """Return how many checkpoints lie on the disk at a time; with early stopping the best one, too."""
    return _SAVE_TOTAL_LIMIT + bool(train.early_stopping_patience)


def build_packing_config(train: TrainParams, *, packed: bool, pad_token_id: int) -> PackingConfig:
    """Return how records become passes.

    Args:
        train: Its budget of tokens.
        packed: Whether the model's layers can keep packed records apart, and packing is asked for.
        pad: Token that fills up padded rows.
    """
    # Noise that records share would be the same noise for all of them.
    share_prefixes = packed and train.share_prefixes and train.dropout == 0 and train.neftune_noise_alpha == 0
    return PackingConfig(
        tokens_per_micro_batch=train.tokens_per_micro_batch,
        packed=packed,
        share_prefixes=share_prefixes,
        pad_token_id=pad_token_id,
        pad_to_multiple_of=_PAD_TO_MULTIPLE_OF[train.precision],
    )


class _CheckpointCallback(TrainerCallback):
    """Asks for a checkpoint each so many updates, and for a log with it: what a resumed run logs next starts there."""

    def __init__(self, save_steps: int) -> None:
        self._save_steps = save_steps

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask after every so many updates; after the last one, for the log alone."""
        last = state.global_step == state.max_steps
        if last or state.global_step % self._save_steps == 0:
            control.should_log = True
            control.should_save |= not last


class _LogOnEvaluateCallback(TrainerCallback):
    """Asks for a log with each validation: early stopping makes any of them the last."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask where the validation comes after so many updates."""
        control.should_log |= control.should_evaluate

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask where it comes at the end of an epoch."""
        control.should_log |= control.should_evaluate


def build_callbacks(train: TrainParams) -> list[TrainerCallback]:
    """Return who steers a run: checkpoints, and the end where the validation loss falls no more."""
    callbacks: list[TrainerCallback] = [_CheckpointCallback(train.save_steps)]
    if train.early_stopping_patience:
        callbacks += [_LogOnEvaluateCallback(), EarlyStoppingCallback(train.early_stopping_patience)]
    return callbacks


def compute_max_steps(train: TrainParams, records: int) -> int:
    """Return the number of updates of a run over so many records."""
    return math.ceil(train.epochs * math.ceil(records / train.batch_size))


def build_trainer_kwargs(train: TrainParams, device: str, run: Path, records: int) -> dict[str, Any]:
    """Return the arguments of transformers' TrainingArguments.

    Args:
        train: The method and the optimiser.
        device: "cpu", "cuda" or "mps".
        run: The folder of its checkpoints.
        records: That are learned from.
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
        "lr_scheduler_kwargs": {"num_decay_steps": round(train.decay_ratio * compute_max_steps(train, records))}
        if train.lr_scheduler == "wsd"
        else {},
        "warmup_steps": train.warmup_ratio,  # a float is a share of the updates
        "max_grad_norm": train.max_grad_norm,
        "weight_decay": train.weight_decay,
        **build_sharding_kwargs(train),
        "ddp_find_unused_parameters": False,  # every pass goes through every layer
        "use_liger_kernel": device == "cuda" and is_liger_kernel_available(),
        # Its fused loss would take the place of ours, which computes answers only.
        "liger_kernel_config": {"fused_linear_cross_entropy": False, "cross_entropy": False},
        "logging_steps": train.logging_steps,
        "logging_nan_inf_filter": False,
        "eval_strategy": validation,
        "eval_steps": train.eval_steps,
        "save_strategy": validation if best else "no",  # besides CheckpointEvery
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
    """Return the Trainer's arguments. A process takes one device: several are several processes, and packed passes cannot be cut in two."""
    arguments = TrainingArguments(**settings)
    arguments._n_gpu = min(
        arguments.n_gpu, 1
    )  # else Trainer would split each pass over all GPUs of the machine (DataParallel)
    return arguments


def is_mixed_precision(train: TrainParams) -> bool:
    """Return whether the arithmetic needs autocast: what is learned is fp32, and no fused step turns it into bf16."""
    return train.precision == "bf16" and (train.method in {"full", "dora", "qlora"} or train.dropout > 0)
