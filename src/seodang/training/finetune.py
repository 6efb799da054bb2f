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
from seodang.io.atomic import replaced_folder
from seodang.io.disk_full import check_space
from seodang.models.adapters import save_trained, with_adapter
from seodang.models.architecture import can_pack
from seodang.models.device import peak_memory_mb
from seodang.training.checkpointing import newest_whole
from seodang.training.dataset import Lessons
from seodang.training.distributed import from_first, process_number
from seodang.training.fsdp import gathered, gathered_weights
from seodang.training.kernels.lora import fuse_lora
from seodang.training.kernels.rms_norm import fuse_norms
from seodang.training.loss_check import learn_as_the_model_does
from seodang.training.packing import Layout, Pass
from seodang.training.sanity_checks import Answers, Health, answers_of, check_adapter, check_health, end_places
from seodang.training.tracking import Readings, Tracked, elapsed, resumed_at, silence
from seodang.training.trainer import AnswerTrainer
from seodang.training.trainer_args import arguments_of, callbacks_of, checkpoints_kept, layout_of, mixed, settings_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What training did and what it cost."""

    updates: int
    planned_updates: int  # more where training stopped early
    train_loss: float  # nats per learned token, mean over the run
    validation_loss: float  # nats per learned token, of the weights that are kept
    trainable: int  # parameters
    parameters: int
    fused_layers: int
    packed: bool
    computed_share: float  # tokens that passed through the model, of those read
    resumed_at: list[int]  # updates after which a killed run went on
    health: Health
    elapsed_seconds: float  # of the whole run, killed processes included
    seconds: float  # of this process
    cpu_seconds: float
    peak_memory_mb: int  # resident set of the process


@dataclass(frozen=True, slots=True)
class Splits:
    """What is learned from, and what it is checked on."""

    training: Lessons
    validation: Lessons


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of a run."""

    base: Path
    run: Path  # its checkpoints
    trained: Path  # what was learned, whole or not at all


def train_model(
    model: PreTrainedModel,
    splits: Splits,
    train: TrainParams,
    tracked: Tracked,
    *,
    pad: int,
    end: int,
    device: str,
    places: Places,
) -> Outcome:
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
    started, cpu_started = time.monotonic(), time.process_time()
    attention = model.config._attn_implementation
    if len(splits.training) < train.batch_size:
        logger.warning(
            "there are %d training records, fewer than train.batch_size %d: each epoch is one update",
            len(splits.training),
            train.batch_size,
        )
    set_seed(train.seed)  # before the adapter is made: its first matrix is random
    tuned, fused, layout = _prepared(model, train, splits.training, pad)
    check_space(places.run, space_needed(tuned, train, places.run), "keeping checkpoints")
    ends = end_places(splits.validation[:], layout, end)
    before = answers_of(tuned, ends, device, autocast=mixed(train))
    trainer = _trainer(
        tuned,
        splits,
        train,
        layout,
        arguments_of(settings_of(train, device, places.run, len(splits.training))),
        tracked.readings,
        [*tracked.callbacks, *callbacks_of(train)],
    )
    checkpoint = from_first(lambda: newest_whole(places.run))
    if checkpoint is not None:
        logger.info("going on from %s", checkpoint.name)
    set_seed(train.seed + process_number())  # dropout and noise of each process are its own
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    validation_loss = trainer.evaluate()["eval_loss"]
    train_loss = mean_loss(trainer.state.log_history)
    health = _checked(tuned, before, ends, train, end, device, train_loss, validation_loss)
    trainable, parameters = _counts(tuned)
    _restore(model, attention)
    weights = gathered_weights(tuned)
    from_first(lambda: _save(tuned, weights, places))
    return Outcome(
        updates=trainer.state.global_step,
        planned_updates=trainer.state.max_steps,
        train_loss=round(train_loss, 4),
        validation_loss=round(validation_loss, 4),
        trainable=trainable,
        parameters=parameters,
        fused_layers=fused,
        packed=layout.packed,
        computed_share=round(trainer.work.computed / max(1, trainer.work.read), 4),
        resumed_at=resumed_at(trainer.state.log_history),
        health=health,
        elapsed_seconds=elapsed(trainer.state.log_history),
        seconds=round(time.monotonic() - started, 1),
        cpu_seconds=round(time.process_time() - cpu_started, 1),
        peak_memory_mb=peak_memory_mb(),
    )


def _save(tuned: PeftModel | PreTrainedModel, weights: dict[str, Any] | None, places: Places) -> None:
    with replaced_folder(places.trained) as beside:
        save_trained(tuned, beside, places.base, weights)


def _layout(model: PreTrainedModel, train: TrainParams, pad: int) -> Layout:
    packed = train.packing and can_pack(model)
    if train.packing and not packed:
        logger.warning(
            "train.packing is on, but this model's layers cannot keep packed records apart; rows are padded instead"
        )
    return layout_of(train, packed=packed, pad=pad)


def _prepared(
    model: PreTrainedModel, train: TrainParams, lessons: Lessons, pad: int
) -> tuple[PeftModel | PreTrainedModel, int, Layout]:
    """Return the model with what is learned, the number of layers that have the fused step, and how records become passes."""
    layout = learn_as_the_model_does(model, lessons, _layout(model, train, pad))
    tuned = with_adapter(model, train)
    fuse_norms(tuned)
    return tuned, fuse_lora(tuned), layout


def space_needed(tuned: PeftModel | PreTrainedModel, train: TrainParams, run: Path) -> int:
    """Return the bytes that the run has yet to write: what is learned in fp32, and with each checkpoint the optimiser's two moments of it."""
    learned = 4 * sum(weight.numel() for weight in tuned.parameters() if weight.requires_grad)
    there = sum(
        file.stat().st_size for file in run.rglob("*") if file.is_file()
    )  # of a run that was killed; they go as new ones come
    return learned + max(
        3 * learned, (checkpoints_kept(train) + 1) * 3 * learned - there
    )  # one is written before the oldest goes


def _restore(model: PreTrainedModel, attention: str) -> None:
    """Give the model its own attention back, under whose name it is saved."""
    if model.config._attn_implementation != attention:
        model.set_attn_implementation(attention)


def short_run(
    model: PreTrainedModel,
    lessons: Lessons,
    train: TrainParams,
    updates: int,
    *,
    pad: int,
    device: str,
    run: Path,
    callbacks: Sequence[TrainerCallback],
) -> AnswerTrainer:
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
    tuned, _, layout = _prepared(model, train, lessons, pad)
    shortened = {
        "max_steps": updates,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "logging_steps": 1,
    }
    settings = {**settings_of(train.model_copy(update={"early_stopping": 0}), device, run, len(lessons)), **shortened}
    trainer = _trainer(tuned, Splits(lessons, lessons), train, layout, arguments_of(settings), Readings(), callbacks)
    trainer.train()
    return trainer


def _trainer(
    tuned: Any,
    splits: Splits,
    train: TrainParams,
    layout: Layout,
    arguments: TrainingArguments,
    readings: Readings,
    callbacks: Sequence[TrainerCallback],
) -> AnswerTrainer:
    trainer = AnswerTrainer(
        model=tuned,
        args=arguments,
        training=splits.training,
        validation=splits.validation,
        layout=layout,
        batch_size=train.batch_size,
        noise=train.neftune_alpha,
        readings=readings,
        callbacks=list(callbacks),
    )
    silence(trainer)
    return trainer


def mean_loss(history: Sequence[dict[str, float]]) -> float:
    """Return the mean training loss of a run from what was logged, each reading weighted by the updates it stands for."""
    total = weight = last = 0.0
    for entry in history:
        if "train_loss" in entry:
            total += entry["train_loss"] * (entry["step"] - last)
            weight += entry["step"] - last
            last = entry["step"]
    if not weight:
        raise TrainingError(
            "no update was logged; train.log_every is above the number of updates: lower it, or train longer"
        )
    return total / weight


def _checked(
    tuned: PeftModel | PreTrainedModel,
    before: Answers,
    ends: Sequence[Pass],
    train: TrainParams,
    end: int,
    device: str,
    train_loss: float,
    validation_loss: float,
) -> Health:
    check_adapter((name, gathered(weight)) for name, weight in tuned.named_parameters() if weight.requires_grad)
    after = answers_of(tuned, ends, device, autocast=mixed(train))
    return check_health(
        before,
        after,
        end,
        train_loss=train_loss,
        validation_loss=validation_loss,
        minimum_end_share=train.minimum_end_share,
    )


def _counts(tuned: PeftModel | PreTrainedModel) -> tuple[int, int]:
    """Return the number of trainable parameters and of all; 4-bit weights count as what they stand for."""
    if isinstance(tuned, PeftModel):
        trainable, parameters = tuned.get_nb_trainable_parameters()
        return int(trainable), int(parameters)
    return sum(weight.numel() for weight in tuned.parameters() if weight.requires_grad), tuned.num_parameters()
