"""One training run, from a base and tokenized records to saved weights: reproducible, resumable, checked at the end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, set_seed

from seodang.config import TrainParams
from seodang.i18n import _, ngettext
from seodang.io.atomic import replace_folder
from seodang.io.disk_full import check_space
from seodang.models.adapters import average_with_base, copy_base_weights, save_tuned_model
from seodang.models.device import get_peak_memory_mb
from seodang.training.assembly import select_kernels
from seodang.training.checkpointing import find_latest_checkpoint
from seodang.training.dataset import TokenizedDataset
from seodang.training.distributed import broadcast_from_main, get_rank
from seodang.training.fsdp import full_tensor, gather_full_state
from seodang.training.micro_batch import MicroBatch
from seodang.training.packing import PackingConfig
from seodang.training.result import Stopwatch, TrainingResult, compute_mean_loss, count_parameters
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
    find_resume_steps,
    read_elapsed_seconds,
)
from seodang.training.trainer import SFTTrainer
from seodang.training.trainer_args import (
    build_callbacks,
    build_trainer_kwargs,
    build_training_arguments,
    compute_save_total_limit,
    is_mixed_precision,
)
from seodang.training.trainer_factory import Splits, build_trainer, prepare_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingPaths:
    """Folders of a run."""

    base: Path
    checkpoints: Path
    output: Path  # the trained weights; it is complete or does not exist


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
    """Train, check and save; the output folder appears only after all checks passed.

    All processes that train together (see seodang.training.distributed) call it; the main process writes.

    Args:
        model: The base, on its device.
        splits: Neither is empty.
        train: The method and the optimizer.
        tracking: Metrics and callbacks.
        pad_token_id: Token that fills padded rows.
        eos_token_id: Token that ends an answer.
        device: "cpu", "cuda" or "mps".
        paths: A run that finds a checkpoint resumes from it.

    Raises:
        ModelError: If the target modules match no layer.
        TrainingError: If the loss is not finite, training changed nothing, or too few answers end.
    """
    stopwatch = Stopwatch()
    attention = model.config._attn_implementation
    _warn_about_small_split(splits.training, train)
    set_seed(train.seed)  # before the adapter is created: its first matrix is random
    assembled, packing = prepare_model(model, train, splits.training, pad_token_id, select_kernels(train))
    tuned_model = assembled.tuned_model
    base_weights = copy_base_weights(tuned_model, train.base_weight)
    _check_space(tuned_model, train, paths.checkpoints)
    eos_batches = build_eos_batches(splits.validation[:], packing, eos_token_id)
    before = predict_next_tokens(tuned_model, eos_batches, device, autocast=is_mixed_precision(train))
    settings = build_trainer_kwargs(train, device, paths.checkpoints, len(splits.training))
    trainer = _build_trainer(tuned_model, splits, train, packing, settings, tracking)
    _run_trainer(trainer, train, paths)
    average_with_base(tuned_model, base_weights, train.base_weight)
    losses = _measure_losses(trainer)
    health = _run_sanity_checks(tuned_model, before, eos_batches, train, eos_token_id, device, losses)
    sizes = count_parameters(tuned_model)
    _restore_attention(model, attention)
    weights = gather_full_state(tuned_model)
    broadcast_from_main(lambda: _save(tuned_model, weights, paths))
    return _build_result(trainer, sizes, assembled.fused_layers, packing.packed, losses, health, stopwatch)


def _check_space(tuned_model: PreTrainedModel | PeftModel, train: TrainParams, checkpoints: Path) -> None:
    check_space(checkpoints, compute_required_space(tuned_model, train, checkpoints), _("keeping checkpoints"))


def _build_trainer(
    tuned_model: PreTrainedModel | PeftModel,
    splits: Splits,
    train: TrainParams,
    packing: PackingConfig,
    settings: dict[str, Any],
    tracking: Tracking,
) -> SFTTrainer:
    callbacks = [*tracking.callbacks, *build_callbacks(train)]
    arguments = build_training_arguments(settings)
    return build_trainer(tuned_model, splits, train, packing, arguments, tracking.metrics, callbacks)


def _measure_losses(trainer: SFTTrainer) -> dict[str, float]:
    validation_loss = trainer.evaluate()["eval_loss"]
    return {"train_loss": compute_mean_loss(trainer.state.log_history), "validation_loss": validation_loss}


def _warn_about_small_split(dataset: TokenizedDataset, train: TrainParams) -> None:
    if len(dataset) < train.batch_size:
        logger.warning(
            ngettext(
                "there is {count} training record, fewer than train.batch_size {batch_size}:"
                " each epoch is one optimizer step",
                "there are {count} training records, fewer than train.batch_size {batch_size}:"
                " each epoch is one optimizer step",
                len(dataset),
                batch_size=train.batch_size,
            )
        )


def compute_required_space(tuned_model: PeftModel | PreTrainedModel, train: TrainParams, checkpoints: Path) -> int:
    """Return the bytes that the run still writes: the trained weights in fp32, and its checkpoints.

    A checkpoint holds the trained weights and the two moments of the optimizer. A new one is written
    before the oldest is deleted. Checkpoints of an interrupted run are replaced one by one.
    """
    trainable_bytes = 4 * sum(weight.numel() for weight in tuned_model.parameters() if weight.requires_grad)
    existing_bytes = sum(file.stat().st_size for file in checkpoints.rglob("*") if file.is_file())
    checkpoint_bytes = 3 * trainable_bytes
    most_bytes = (compute_save_total_limit(train) + 1) * checkpoint_bytes
    return trainable_bytes + max(checkpoint_bytes, most_bytes - existing_bytes)


def _run_trainer(trainer: SFTTrainer, train: TrainParams, paths: TrainingPaths) -> None:
    checkpoint = broadcast_from_main(lambda: find_latest_checkpoint(paths.checkpoints))
    if checkpoint is not None:
        logger.info(_("resuming from {checkpoint}", checkpoint=checkpoint.name))
    set_seed(train.seed + get_rank())  # each process has different dropout and noise
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _run_sanity_checks(
    tuned_model: PeftModel | PreTrainedModel,
    before: NextTokens,
    eos_batches: Sequence[MicroBatch],
    train: TrainParams,
    eos_token_id: int,
    device: str,
    losses: dict[str, float],
) -> Health:
    check_adapter(
        (name, full_tensor(weight)) for name, weight in tuned_model.named_parameters() if weight.requires_grad
    )
    after = predict_next_tokens(tuned_model, eos_batches, device, autocast=is_mixed_precision(train))
    return check_health(before, after, eos_token_id, minimum_eos_ratio=train.minimum_eos_ratio, **losses)


def _build_result(
    trainer: SFTTrainer,
    sizes: tuple[int, int],
    fused_layers: int,
    packed: bool,
    losses: dict[str, float],
    health: Health,
    stopwatch: Stopwatch,
) -> TrainingResult:
    state, counter = trainer.state, trainer.token_counter
    trainable, parameters = sizes
    return TrainingResult(
        steps=state.global_step,
        max_steps=state.max_steps,
        train_loss=round(losses["train_loss"], 4),
        validation_loss=round(losses["validation_loss"], 4),
        trainable_parameters=trainable,
        parameters=parameters,
        fused_layers=fused_layers,
        packed=packed,
        computed_ratio=round(counter.computed_tokens / max(1, counter.record_tokens), 4),
        resume_steps=find_resume_steps(state.log_history),
        health=health,
        elapsed_seconds=read_elapsed_seconds(state.log_history),
        peak_memory_mb=get_peak_memory_mb(),
        **stopwatch.read(),
    )


def _restore_attention(model: PreTrainedModel, attention: str) -> None:
    """Restore the model's own attention, whose name is saved in its configuration."""
    if model.config._attn_implementation != attention:
        model.set_attn_implementation(attention)


def _save(tuned_model: PeftModel | PreTrainedModel, weights: dict[str, Any] | None, paths: TrainingPaths) -> None:
    with replace_folder(paths.output) as temp_folder:
        save_tuned_model(tuned_model, temp_folder, paths.base, weights)
