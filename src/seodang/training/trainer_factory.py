"""Construction of the model that is trained, and of its Trainer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, TrainerCallback, TrainingArguments

from seodang.config import TrainParams
from seodang.i18n import _
from seodang.training.assembly import AssembledModel, Kernel, assemble_model, uses_packing
from seodang.training.dataset import TokenizedDataset
from seodang.training.loss_check import patch_and_verify_loss
from seodang.training.packing import PackingConfig
from seodang.training.tracking import TrainingMetrics, remove_console_callbacks
from seodang.training.trainer import SFTTrainer
from seodang.training.trainer_args import build_packing_config

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Splits:
    """The training and the validation records."""

    training: TokenizedDataset
    validation: TokenizedDataset


def prepare_model(
    model: PreTrainedModel,
    train: TrainParams,
    dataset: TokenizedDataset,
    pad_token_id: int,
    kernels: frozenset[Kernel],
) -> tuple[AssembledModel, PackingConfig]:
    """Return the model with its trainable weights, and how records become micro-batches."""
    packed = uses_packing(model, train)
    if train.packing and not packed:
        logger.warning(
            _("train.packing is true, but this model's layers mix neighbouring records; rows are padded instead")
        )
    packing = build_packing_config(train, packed=packed, pad_token_id=pad_token_id)
    packing = patch_and_verify_loss(model, dataset, packing, last_layer_kernel="last_layer" in kernels)
    return assemble_model(model, train, kernels), packing


def build_trainer(
    tuned_model: Any,
    splits: Splits,
    train: TrainParams,
    packing: PackingConfig,
    arguments: TrainingArguments,
    metrics: TrainingMetrics,
    callbacks: Sequence[TrainerCallback],
) -> SFTTrainer:
    """Return the Trainer of the model, without the callbacks that write to the console."""
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
