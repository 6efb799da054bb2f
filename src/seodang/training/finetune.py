"""One run of training, from a base and lessons to what was learned: exact, resumable, checked at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments, set_seed

from seodang.config import TrainParams
from seodang.errors import TrainingError
from seodang.io.atomic import replace_folder
from seodang.io.disk_full import check_space
from seodang.models.adapters import add_adapter, save_tuned_model
from seodang.models.architecture import can_pack
from seodang.models.device import get_peak_memory_mb
from seodang.training.checkpointing import find_latest_checkpoint
from seodang.training.dataset import TokenizedDataset
from seodang.training.distributed import broadcast_from_main, get_rank
from seodang.training.fsdp import full_tensor, gather_full_state
from seodang.training.kernels.lora import fuse_lora
from seodang.training.kernels.rms_norm import fuse_norms
from seodang.training.loss_check import patch_and_verify_loss
from seodang.training.packing import MicroBatch, PackingConfig
from seodang.training.sanity_checks import (
    Health,
    NextTokens,
    build_eos_batches,
    check_adapter,
    check_health,
    predict_next_tokens,
)
from seodang.training.tracking import (
    Tracking,
    TrainingMetrics,
    find_resume_steps,
    read_elapsed_seconds,
    remove_console_callbacks,
)
from seodang.training.trainer import SFTTrainer
from seodang.training.trainer_args import (
    build_callbacks,
    build_packing_config,
    build_trainer_kwargs,
    build_training_arguments,
    compute_save_total_limit,
    is_mixed_precision,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What training did and what it cost."""

    steps: int
    max_steps: int  # more where training stopped early
    train_loss: float  # nats per learned token, mean over the run
    validation_loss: float  # nats per learned token, of the weights that are kept
    trainable_parameters: int  # parameters
    parameters: int
    fused_layers: int
    packed: bool
    computed_ratio: float  # tokens that passed through the model, of those read
    resume_steps: list[int]  # updates after which a killed run went on
    health: Health
    elapsed_seconds: float  # of the whole run, killed processes included
    seconds: float  # of this process
    cpu_seconds: float
    peak_memory_mb: int  # resident set of the process


@dataclass(frozen=True, slots=True)
class Splits:
    """What is learned from, and what it is checked on."""

    training: TokenizedDataset
    validation: TokenizedDataset


@dataclass(frozen=True, slots=True)
class TrainingPaths:
    """Folders of a run."""

    base: Path
    checkpoints: Path  # its checkpoints
    output: Path  # what was learned, whole or not at all


def train_model(
    model: PreTrainedModel,
    splits: Splits,
    train: TrainParams,
    tracking: Tracking,
    *,
    pad_token_id: int,
    eos_token_id: int,
    device: str,
    paths: TrainingPaths,
) -> TrainingResult:
    """Train, check and save; the folder of what was learned appears only when everything is in order.

    Processes that train together (see seodang.training.distributed) call it alike; the first one writes.

    Args:
        model: The base, on its device.
        splits: None of them empty.
        train: The method and the optimiser.
        tracked: Who is told.
        pad: Token that fills up padded rows.
        end: Token that ends an answer.
        device: "cpu", "cuda" or "mps".
        places: A run that finds a checkpoint goes on from there.

    Raises:
        ModelError: If the targets match nothing.
        TrainingError: If the loss is not finite, nothing was learned, or the end token was not.
    """
    start, cpu_start = time.monotonic(), time.process_time()
    attention = model.config._attn_implementation
    if len(splits.training) < train.batch_size:
        logger.warning(
            "there are %d training records, fewer than train.batch_size %d: each epoch is one update",
            len(splits.training),
            train.batch_size,
        )
    set_seed(train.seed)  # before the adapter is made: its first matrix is random
    tuned_model, fused_layers, packing = _prepare_model(model, train, splits.training, pad_token_id)
    check_space(paths.checkpoints, compute_required_space(tuned_model, train, paths.checkpoints), "keeping checkpoints")
    eos_batches = build_eos_batches(splits.validation[:], packing, eos_token_id)
    before = predict_next_tokens(tuned_model, eos_batches, device, autocast=is_mixed_precision(train))
    trainer = _build_trainer(
        tuned_model,
        splits,
        train,
        packing,
        build_training_arguments(build_trainer_kwargs(train, device, paths.checkpoints, len(splits.training))),
        tracking.metrics,
        [*tracking.callbacks, *build_callbacks(train)],
    )
    checkpoint = broadcast_from_main(lambda: find_latest_checkpoint(paths.checkpoints))
    if checkpoint is not None:
        logger.info("going on from %s", checkpoint.name)
    set_seed(train.seed + get_rank())  # dropout and noise of each process are its own
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    validation_loss = trainer.evaluate()["eval_loss"]
    train_loss = compute_mean_loss(trainer.state.log_history)
    health = _run_sanity_checks(
        tuned_model, before, eos_batches, train, eos_token_id, device, train_loss, validation_loss
    )
    trainable, parameters = _count_parameters(tuned_model)
    _restore_attention(model, attention)
    weights = gather_full_state(tuned_model)
    broadcast_from_main(lambda: _save(tuned_model, weights, paths))
    return TrainingResult(
        steps=trainer.state.global_step,
        max_steps=trainer.state.max_steps,
        train_loss=round(train_loss, 4),
        validation_loss=round(validation_loss, 4),
        trainable_parameters=trainable,
        parameters=parameters,
        fused_layers=fused_layers,
        packed=packing.packed,
        computed_ratio=round(trainer.token_counter.computed_tokens / max(1, trainer.token_counter.record_tokens), 4),
        resume_steps=find_resume_steps(trainer.state.log_history),
        health=health,
        elapsed_seconds=read_elapsed_seconds(trainer.state.log_history),
        seconds=round(time.monotonic() - start, 1),
        cpu_seconds=round(time.process_time() - cpu_start, 1),
        peak_memory_mb=get_peak_memory_mb(),
    )


def _save(tuned_model: PeftModel | PreTrainedModel, weights: dict[str, Any] | None, paths: TrainingPaths) -> None:
    with replace_folder(paths.output) as temp_folder:
        save_tuned_model(tuned_model, temp_folder, paths.base, weights)


def _resolve_packing(model: PreTrainedModel, train: TrainParams, pad_token_id: int) -> PackingConfig:
    packed = train.packing and can_pack(model)
    if train.packing and not packed:
        logger.warning(
            "train.packing is on, but this model's layers cannot keep packed records apart; rows are padded instead"
        )
    return build_packing_config(train, packed=packed, pad_token_id=pad_token_id)


def _prepare_model(
    model: PreTrainedModel, train: TrainParams, dataset: TokenizedDataset, pad_token_id: int
) -> tuple[PeftModel | PreTrainedModel, int, PackingConfig]:
    """Return the model with what is learned, the number of layers that have the fused step, and how records become passes."""
    packing = patch_and_verify_loss(model, dataset, _resolve_packing(model, train, pad_token_id))
    tuned_model = add_adapter(model, train)
    fuse_norms(tuned_model)
    return tuned_model, fuse_lora(tuned_model), packing


def compute_required_space(tuned_model: PeftModel | PreTrainedModel, train: TrainParams, checkpoints: Path) -> int:
    """Return the bytes that the run has yet to write: what is learned in fp32, and with each checkpoint the optimiser's two moments of it."""
    trainable_bytes = 4 * sum(weight.numel() for weight in tuned_model.parameters() if weight.requires_grad)
    existing_bytes = sum(
        file.stat().st_size for file in checkpoints.rglob("*") if file.is_file()
    )  # of a run that was killed; they go as new ones come
    return trainable_bytes + max(
        3 * trainable_bytes, (compute_save_total_limit(train) + 1) * 3 * trainable_bytes - existing_bytes
    )  # one is written before the oldest goes


def _restore_attention(model: PreTrainedModel, attention: str) -> None:
    """Give the model its own attention back, under whose name it is saved."""
    if model.config._attn_implementation != attention:
        model.set_attn_implementation(attention)


def train_steps(
    model: PreTrainedModel,
    dataset: TokenizedDataset,
    train: TrainParams,
    steps: int,
    *,
    pad_token_id: int,
    device: str,
    run: Path,
    callbacks: Sequence[TrainerCallback],
) -> SFTTrainer:
    """Train so many updates as a run would, without validation, checkpoints or checks, for measuring; nothing is kept.

    Args:
        model: The base, on its device.
        lessons: At least one.
        train: The method and the optimiser.
        updates: How many.
        pad: Token that fills up padded rows.
        device: "cpu", "cuda" or "mps".
        run: A folder that may be written to.
        callbacks: Who looks on.
    """
    set_seed(train.seed)
    tuned_model, _, packing = _prepare_model(model, train, dataset, pad_token_id)
    overrides = {
        "max_steps": steps,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "logging_steps": 1,
    }
    settings = {
        **build_trainer_kwargs(train.model_copy(update={"early_stopping_patience": 0}), device, run, len(dataset)),
        **overrides,
    }
    trainer = _build_trainer(
        tuned_model,
        Splits(dataset, dataset),
        train,
        packing,
        build_training_arguments(settings),
        TrainingMetrics(),
        callbacks,
    )
    trainer.train()
    return trainer


def _build_trainer(
    tuned_model: Any,
    splits: Splits,
    train: TrainParams,
    packing: PackingConfig,
    arguments: TrainingArguments,
    metrics: TrainingMetrics,
    callbacks: Sequence[TrainerCallback],
) -> SFTTrainer:
    trainer = SFTTrainer(
        model=tuned_model,
        args=arguments,
        train_dataset=splits.training,
        eval_dataset=splits.validation,
        packing=packing,
        batch_size=train.batch_size,
        neftune_noise_alpha=train.neftune_noise_alpha,
        metrics=metrics,
        callbacks=list(callbacks),
    )
    remove_console_callbacks(trainer)
    return trainer


def compute_mean_loss(history: Sequence[dict[str, float]]) -> float:
    """Return the mean training loss of a run from what was logged, each reading weighted by the updates it stands for."""
    total = weight = last = 0.0
    for entry in history:
        if "train_loss" in entry:
            total += entry["train_loss"] * (entry["step"] - last)
            weight += entry["step"] - last
            last = entry["step"]
    if not weight:
        raise TrainingError(
            "no update was logged; train.logging_steps is above the number of updates: lower it, or train longer"
        )
    return total / weight


def _run_sanity_checks(
    tuned_model: PeftModel | PreTrainedModel,
    before: NextTokens,
    eos_batches: Sequence[MicroBatch],
    train: TrainParams,
    eos_token_id: int,
    device: str,
    train_loss: float,
    validation_loss: float,
) -> Health:
    check_adapter(
        (name, full_tensor(weight)) for name, weight in tuned_model.named_parameters() if weight.requires_grad
    )
    after = predict_next_tokens(tuned_model, eos_batches, device, autocast=is_mixed_precision(train))
    return check_health(
        before,
        after,
        eos_token_id,
        train_loss=train_loss,
        validation_loss=validation_loss,
        minimum_eos_ratio=train.minimum_eos_ratio,
    )


def _count_parameters(tuned_model: PeftModel | PreTrainedModel) -> tuple[int, int]:
    """Return the number of trainable parameters and of all; 4-bit weights count as what they stand for."""
    if isinstance(tuned_model, PeftModel):
        trainable, parameters = tuned_model.get_nb_trainable_parameters()
        return int(trainable), int(parameters)
    return sum(
        weight.numel() for weight in tuned_model.parameters() if weight.requires_grad
    ), tuned_model.num_parameters()
