"""TRL's trainers, thinly adapted: they read our token ids, and their checkpoints are complete or do not count."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from datasets import Dataset
from trl import DPOTrainer, KTOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.utils import use_adapter

from seodang.alignment.datasets import LENGTH
from seodang.alignment.measures import score_requests
from seodang.alignment.pair_order import PairSampler
from seodang.alignment.step_weights import Size, StepWeights, Weights, measure_dpo, measure_orpo
from seodang.errors import TrainingError
from seodang.i18n import _
from seodang.inference.choice_requests import ChoiceRequest
from seodang.training.checkpointing import CHECKPOINT_PREFIX, mark_complete

REFERENCE: Final = "ref"
"""TRL's name of the second adapter, a copy of the tuned one before training."""
_IGNORED_LABEL: Final = -100
_REFERENCE_FACTOR: Final = 8  # tokens of a forward pass without gradients, for each one of a micro-batch


class Adapted:
    """What all trainers share; stands before TRL's class in the order of resolution."""

    def _prepare_dataset(self, dataset: Any, *_arguments: Any) -> Any:
        """Return the data set as it is: TRL's templates and tokenization are not used."""
        return dataset

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *_arguments: Any, **_options: Any) -> None:
        """Write no model card; that of the package says where the model comes from."""

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """Return the loss of a micro-batch.

        Raises:
            TrainingError: If it is not finite.
        """
        loss: torch.Tensor = super().training_step(*arguments, **options)  # type: ignore[misc]
        if not math.isfinite(value := float(loss)):
            raise TrainingError(
                _(
                    "the loss of optimizer step {step} is {loss}: preference tuning diverged; lower"
                    " align.learning_rate, or raise align.warmup_ratio",
                    step=self.state.global_step + 1,  # type: ignore[attr-defined]
                    loss=value,
                )
            )
        return loss

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, and mark the checkpoint as complete."""
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        run, step = Path(self.args.output_dir), self.state.global_step  # type: ignore[attr-defined]
        mark_complete(run / f"{CHECKPOINT_PREFIX}{step}")


class AdaptedToPairs(Adapted):
    """What the trainers on pairs share: their order, and the loss of a step whatever its micro-batches are."""

    _step: StepWeights
    _weights = Weights()
    _measure: Callable[[Mapping[str, Any]], Size]

    def _get_train_sampler(self, train_dataset: Any = None) -> PairSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset  # type: ignore[attr-defined]
        settings = self.args  # type: ignore[attr-defined]
        batch_size = settings.train_batch_size * settings.gradient_accumulation_steps * settings.world_size
        return PairSampler(dataset[LENGTH], batch_size, settings.data_seed)

    def get_batch_samples(self, *arguments: Any) -> Any:
        """Return the micro-batches of an optimizer step, as the Trainer does, and know their sizes."""
        batches, items = super().get_batch_samples(*arguments)  # type: ignore[misc]
        self._step = StepWeights([type(self)._measure(batch) for batch in batches])
        return batches, items

    def training_step(self, model: torch.nn.Module, inputs: Any, *arguments: Any) -> torch.Tensor:
        """Return the loss of a micro-batch, weighted by its share of the step."""
        self._weights = self._step.weigh(type(self)._measure(inputs))
        try:
            return super().training_step(model, inputs, *arguments)
        finally:
            self._weights = Weights()


class PairDPOTrainer(AdaptedToPairs, DPOTrainer):  # type: ignore[misc]
    """DPO on our token ids."""

    _measure = staticmethod(measure_dpo)
    loss_weights: list[float]

    def _precompute_ref_logps(self, dataset: Dataset, *_arguments: Any) -> Dataset:
        """Return the data set with the log-probabilities of the reference; our passes compute a pair's prompt once."""
        requests = [
            ChoiceRequest(
                str(number), row["prompt_ids"], (("chosen", row["chosen_ids"]), ("rejected", row["rejected_ids"]))
            )
            for number, row in enumerate(dataset)
        ]
        batch_tokens = _REFERENCE_FACTOR * self.args.per_device_train_batch_size * self.args.max_length
        model = self.accelerator.unwrap_model(self.model)
        was_training = model.training
        with use_adapter(model, REFERENCE), self.accelerator.autocast():
            scores = score_requests(model.eval(), requests, batch_tokens)
        model.train(was_training)
        for name, column in zip(("chosen", "rejected"), zip(*scores, strict=True), strict=True):
            dataset = dataset.add_column(f"ref_{name}_logps", list(column))
        return dataset

    def _compute_loss(self, *arguments: Any, **options: Any) -> Any:
        before = self.loss_weights
        factors = {"sft": self._weights.tokens}  # every other term is a mean over pairs
        self.loss_weights = [
            weight * factors.get(name, self._weights.pairs)
            for name, weight in zip(self.loss_types, before, strict=True)
        ]
        try:
            return super()._compute_loss(*arguments, **options)
        finally:
            self.loss_weights = before


class AnswerKTOTrainer(Adapted, KTOTrainer):  # type: ignore[misc]
    """KTO on our token ids."""


class PairORPOTrainer(AdaptedToPairs, ORPOTrainer):  # type: ignore[misc]
    """ORPO on our token ids."""

    _measure = staticmethod(measure_orpo)

    def concatenated_forward(self, *arguments: Any, **options: Any) -> Any:
        """Return the outputs of both answers; the fifth is the likelihood loss."""
        outputs = list(super().concatenated_forward(*arguments, **options))
        outputs[4] = outputs[4] * self._weights.tokens
        return tuple(outputs)

    def odds_ratio_loss(self, *arguments: Any, **options: Any) -> Any:
        """Return the losses of the pairs, and their figures."""
        losses, *figures = super().odds_ratio_loss(*arguments, **options)
        return losses * self._weights.pairs, *figures

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, list[int]]:
        """Return the columns that ORPO's collator pads, from a row of `build_dataset`."""
        prompt: list[int] = feature["prompt_ids"]
        row = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for name in ("chosen", "rejected"):
            answer: list[int] = feature[f"{name}_ids"]
            row[f"{name}_input_ids"] = prompt + answer
            row[f"{name}_attention_mask"] = [1] * (len(prompt) + len(answer))
            row[f"{name}_labels"] = [_IGNORED_LABEL] * len(prompt) + answer
        return row
