"""Train a LoRA adapter with transformers' Trainer, the loss and the logits on answers only."""

from __future__ import annotations

import logging
import math
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from dvclive import Live
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from seodang.errors import ModelError, TrainingError
from seodang.modeling.base_models import replaced_folder
from seodang.modeling.tokenizing import Tokens, pad_id
from seodang.params import TrainParams

logger = logging.getLogger(__name__)

_HIDDEN = -100  # torch's cross entropy skips these labels
_CURVES = {"loss": "train_loss", "eval_loss": "validation_loss", "learning_rate": "learning_rate", "grad_norm": "gradient_norm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What training did and what it cost."""

    updates: int
    train_loss: float  # nats per answer token, mean over the run
    validation_loss: float  # nats per answer token, at the end
    trainable: int  # parameters
    parameters: int
    seconds: float
    cpu_seconds: float
    peak_memory_mb: int  # resident set of the process


def hide_prompt(tokens: Tokens) -> dict[str, list[int]]:
    """Return one sequence and its labels: the answer's ids, the prompt hidden from the loss."""
    return {
        "input_ids": tokens.prompt + tokens.completion,
        "labels": [_HIDDEN] * len(tokens.prompt) + tokens.completion,
    }


def collate(sequences: Sequence[dict[str, list[int]]], pad: int) -> dict[str, Tensor]:
    """Return input_ids and labels, shape (batch, longest), padded on the right.

    Padding on the right needs no attention mask: causal attention never looks there,
    and the fast kernels are those without a mask.
    """
    width = max(len(sequence["input_ids"]) for sequence in sequences)
    return {name: torch.tensor([sequence[name] + [filler] * (width - len(sequence[name])) for sequence in sequences]) for name, filler in (("input_ids", pad), ("labels", _HIDDEN))}


class AnswerTrainer(Trainer):
    """A Trainer that asks for logits only where a label is.

    Of 40 tokens of a record some 4 are learned; the logits of the others are the
    largest tensor of a step and take no part in it.
    """

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Tensor | int | None = None) -> Any:  # noqa: ANN401 - the base class's signature
        """Return the cross entropy per answer token, in nats."""
        labels = inputs["labels"][:, 1:]
        places = (labels != _HIDDEN).any(dim=0).nonzero().squeeze(1)
        outputs = model(input_ids=inputs["input_ids"], use_cache=False, logits_to_keep=places)
        targets = labels[:, places]
        total = torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1).float(), targets.flatten(), ignore_index=_HIDDEN, reduction="sum")
        learned = num_items_in_batch if num_items_in_batch is not None else (targets != _HIDDEN).sum()
        loss = total / learned
        return (loss, outputs) if return_outputs else loss


class Curves(TrainerCallback):
    """Logs the training curves to dvclive, by the number of updates.

    The callback that transformers has counts its own calls instead, so that two runs
    with another logging interval could not be laid over one another.
    """

    def __init__(self, live: Live) -> None:
        self._live = live

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:  # noqa: ANN401
        """Log what of `logs` is a curve."""
        self._live.step = state.global_step
        for key, value in (logs or {}).items():
            if key in _CURVES:
                self._live.log_metric(_CURVES[key], value)
        self._live.make_summary()


def fitting(records: Sequence[Tokens], max_length: int) -> list[Tokens]:
    """Return the records of at most `max_length` tokens; nothing is ever cut."""
    return [record for record in records if len(record.prompt) + len(record.completion) <= max_length]


def with_adapter(model: PreTrainedModel, train: TrainParams) -> PeftModel:
    """Return the model with an untrained adapter.

    Raises:
        ModelError: If no layer has one of the target names; the message lists those that exist.
    """
    targets: str | list[str] = "all-linear" if train.targets == ["all-linear"] else train.targets
    config = LoraConfig(r=train.rank, lora_alpha=train.alpha, lora_dropout=train.dropout, target_modules=targets, task_type="CAUSAL_LM")
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)})
        raise ModelError(f"train.targets {train.targets} match no layer of the model; its linear layers are {', '.join(names)}") from error


def train_adapter(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Tokens],
    validation: Sequence[Tokens],
    train: TrainParams,
    *,
    device: str,
    adapter: Path,
    live: Path,
) -> Outcome:
    """Train and save an adapter; the folder appears only when everything is in order.

    Raises:
        TrainingError: If the loss is not finite or the adapter is still empty.
    """
    started, cpu_started = time.monotonic(), time.process_time()
    set_seed(train.seed)  # before the adapter is made: its first matrix is random
    tuned = with_adapter(model, train)
    with tempfile.TemporaryDirectory() as scratch, Live(str(live), save_dvc_exp=False, dvcyaml=None, report=None) as curves:
        trainer = AnswerTrainer(
            model=tuned,
            args=_arguments(train, device, scratch),
            train_dataset=Dataset.from_list([hide_prompt(record) for record in training]),
            eval_dataset=Dataset.from_list([hide_prompt(record) for record in validation]),
            data_collator=partial(collate, pad=pad_id(tokenizer)),
            callbacks=[Curves(curves)],
        )
        result = trainer.train()
        validation_loss = float(trainer.evaluate()["eval_loss"])
    _check(tuned, result.training_loss, validation_loss)
    with replaced_folder(adapter) as beside:
        tuned.save_pretrained(str(beside), safe_serialization=True, save_embedding_layers=False)
    trainable, parameters = tuned.get_nb_trainable_parameters()
    return Outcome(
        updates=result.global_step,
        train_loss=round(result.training_loss, 4),
        validation_loss=round(validation_loss, 4),
        trainable=trainable,
        parameters=parameters,
        seconds=round(time.monotonic() - started, 1),
        cpu_seconds=round(time.process_time() - cpu_started, 1),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def _arguments(train: TrainParams, device: str, scratch: str) -> TrainingArguments:
    settings: dict[str, Any] = {
        "output_dir": scratch,
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "prediction_loss_only": True,
        "seed": train.seed,
        "data_seed": train.seed,
        "use_cpu": device == "cpu",
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": train.batch_size,
        "gradient_accumulation_steps": train.accumulation,
        "num_train_epochs": train.epochs,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.schedule,
        "warmup_steps": train.warmup_share,  # a float is a share of the updates
        "max_grad_norm": train.max_grad_norm,
        "weight_decay": train.weight_decay,
        "train_sampling_strategy": "group_by_length",
        "logging_steps": train.log_every,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
        "dataloader_pin_memory": device == "cuda",
    }
    return TrainingArguments(**settings)


def _check(tuned: PeftModel, train_loss: float, validation_loss: float) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise TrainingError(f"the loss is not finite (train {train_loss}, validation {validation_loss}); lower train.learning_rate, or use train.precision fp32")
    # LoRA's second matrix starts at zero: still zero means that nothing was learned.
    seconds = [weight for name, weight in tuned.named_parameters() if "lora_B" in name]
    if not any(bool(weight.abs().max() > 0) for weight in seconds):
        raise TrainingError("the adapter is still empty after training; raise train.learning_rate or train.epochs")
