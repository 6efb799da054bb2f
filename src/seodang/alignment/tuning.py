"""One run of preference tuning, from a base and its tuned adapter to a saved adapter: reproducible and resumable."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, set_seed

from seodang.alignment.methods import get_alignment_method
from seodang.alignment.prompt_selection import select_prompts
from seodang.alignment.rated_prompts import RatedPrompts
from seodang.alignment.reward_model import REWARD
from seodang.alignment.reward_prompts import RewardPrompts
from seodang.alignment.trainer_factory import PreferenceSplits, build_trainer
from seodang.alignment.trainers import REFERENCE
from seodang.config import AlignParams, TrainParams
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.models.adapters import add_adapter, load_adapter, save_tuned_model
from seodang.training.checkpointing import find_latest_checkpoint
from seodang.training.curves import VALIDATION_LOSS
from seodang.training.result import compute_mean_loss
from seodang.training.sanity_checks import check_adapter
from seodang.training.tracking import find_resume_steps, read_elapsed_seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlignmentPaths:
    """Folders of a run."""

    base: Path
    tuned: Path  # the adapter that training wrote
    checkpoints: Path
    output: Path  # the aligned adapter; it is complete or does not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentResult:
    """Losses and cost of a run."""

    steps: int  # optimizer steps
    selected_prompts: int | None  # that grpo trained on; None for other methods
    train_loss: float  # mean over the run
    held_out_loss: float | None  # of the saved adapter; None without held-out records
    resume_steps: list[int]  # optimizer steps after which an interrupted run resumed
    elapsed_seconds: float  # of the run, with interrupted processes


def align_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: PreferenceSplits | RewardPrompts | RatedPrompts,
    align: AlignParams,
    train: TrainParams,
    callbacks: Sequence[TrainerCallback],
    *,
    device: str,
    paths: AlignmentPaths,
) -> AlignmentResult:
    """Tune a model with preferences and save its adapter; the output folder appears only after all checks passed.

    Args:
        model: The base, on its device; it becomes part of the tuned model.
        tokenizer: Of the base.
        data: Training records, and held-out ones for the curves; for grpo prompts.
        align: The method and its optimizer.
        train: Precision, and for ORPO the adapter.
        callbacks: Of the tracking, `PreferenceMetrics` first.
        device: "cpu", "cuda" or "mps".
        paths: A run that finds a checkpoint resumes from it.

    Raises:
        TrainingError: If there is nothing to learn from, or the loss is not finite.
        ModelError: If the tuned adapter does not fit the base.
    """
    tuned_model = build_tuned_model(model, align, train, paths.tuned)
    data = select_prompts(tuned_model, tokenizer, data, align) if isinstance(data, RewardPrompts) else data
    trainer = build_trainer(tuned_model, tokenizer, data, align, train, callbacks, device=device, run=paths.checkpoints)
    checkpoint = find_latest_checkpoint(paths.checkpoints)
    if checkpoint is not None:
        logger.info(_("resuming from {checkpoint}", checkpoint=checkpoint.name))
    set_seed(align.seed)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    held_out_loss = _read_held_out_loss(trainer)
    check_adapter((name, weight) for name, weight in tuned_model.named_parameters() if weight.requires_grad)
    for name in {REFERENCE, REWARD} & tuned_model.peft_config.keys():
        tuned_model.delete_adapter(name)
    with replace_folder(paths.output) as folder:
        save_tuned_model(tuned_model, folder, paths.base)
    history = trainer.state.log_history
    return AlignmentResult(
        steps=trainer.state.global_step,
        selected_prompts=len(data.training) if isinstance(data, RewardPrompts) else None,
        train_loss=round(compute_mean_loss(history), 4),
        held_out_loss=None if held_out_loss is None else round(held_out_loss, 4),
        resume_steps=find_resume_steps(history),
        elapsed_seconds=read_elapsed_seconds(history),
    )


def _read_held_out_loss(trainer: Trainer) -> float | None:
    """Return the held-out loss after the last step; the Trainer has computed it, unless the run ended elsewhere."""
    if trainer.eval_dataset is None:
        return None
    state, name = trainer.state, VALIDATION_LOSS.name
    last = [entry[name] for entry in state.log_history if name in entry and entry["step"] == state.global_step]
    return float(last[-1] if last else trainer.evaluate()[name])


def build_tuned_model(model: PreTrainedModel, align: AlignParams, train: TrainParams, tuned: Path) -> PeftModel:
    """Return the model that is trained: with the tuned adapter, or for ORPO with a new one.

    Raises:
        ModelError: If the adapter does not fit the base.
    """
    if get_alignment_method(align).starts_from_tuned:
        return load_adapter(model, tuned, is_trainable=True)
    set_seed(align.seed)  # the first matrix of a new adapter is random
    adapted = add_adapter(model, train)
    assert isinstance(adapted, PeftModel)  # the parameters refuse train.method full
    return adapted
