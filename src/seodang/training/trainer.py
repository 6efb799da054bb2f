"""transformers' Trainer with updates of packed passes, a loss on answers only, and validation by the same means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import Tensor
from transformers import Trainer

from seodang.errors import TrainingError
from seodang.training.checkpointing import CHECKPOINT_PREFIX, mark_complete
from seodang.training.dataset import TokenizedDataset
from seodang.training.fsdp import keep_fp32, reshard, shard_on_cpu
from seodang.training.packing import (
    MicroBatch,
    OptimizerStep,
    PackingConfig,
    StepLoader,
    StepSampler,
    collate_step,
    iter_micro_batches,
)
from seodang.training.tracking import TrainingMetrics


@dataclass(slots=True)
class TokenCounter:
    """What the passes of a run have gone over, in this process."""

    record_tokens: int = 0  # tokens of the records
    computed_tokens: int = (
        0  # tokens that passed through the model: fewer where beginnings are shared, more where rows are padded
    )
    micro_batches: int = 0

    def add(self, micro_batches: Sequence[MicroBatch]) -> None:
        """Count the passes of one update."""
        self.record_tokens += sum(part.record_tokens for part in micro_batches)
        self.computed_tokens += sum(part.input_ids.numel() for part in micro_batches)
        self.micro_batches += len(micro_batches)


class SFTTrainer(Trainer):
    """A Trainer whose batch is a whole update: the passes of one process, and how many tokens all processes learn from it."""

    def __init__(
        self,
        *,
        train_dataset: TokenizedDataset,
        eval_dataset: TokenizedDataset,
        packing: PackingConfig,
        batch_size: int,
        neftune_noise_alpha: float,
        metrics: TrainingMetrics,
        **kwargs: Any,
    ) -> None:
        super().__init__(train_dataset=train_dataset, eval_dataset=eval_dataset, **kwargs)
        self._training, self._validation = train_dataset, eval_dataset
        self._packing, self._batch_size, self._training_metrics = packing, batch_size, metrics
        self.token_counter = TokenCounter()
        self._noise = NeftuneNoise(kwargs["model"], neftune_noise_alpha) if neftune_noise_alpha else None
        self._trainable_parameters = [weight for weight in kwargs["model"].parameters() if weight.requires_grad]
        if not self.is_fsdp_enabled:  # sharding puts other parameters in their place
            kwargs["model"].zero_grad = self._zero_grad

    def _zero_grad(self) -> None:
        """Do what `zero_grad` of the model does; that walks through all modules, which takes milliseconds of each update."""
        for weight in self._trainable_parameters:
            weight.grad = None

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        """Clip the gradients of what is learned, again without a walk through all modules; return their norm before."""
        if self.is_fsdp_enabled:
            return super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        return self.accelerator.clip_grad_norm_(self._trainable_parameters, self.args.max_grad_norm)

    def _build_accelerator_args(self, **settings: Any) -> dict[str, Any]:
        """Return the arguments of the Accelerator."""
        self._sharding: FullyShardedDataParallelPlugin | None = settings["fsdp_plugin"]
        if self._sharding is not None:
            keep_fp32(self._sharding, str(self.args.mixed_precision))
        return super()._build_accelerator_args(**settings)

    def create_accelerator_and_postprocess(self) -> None:
        """Create the Accelerator, which shards on CPUs, too."""
        super().create_accelerator_and_postprocess()
        if self._sharding is not None and not self.is_fsdp_enabled:
            shard_on_cpu(self.accelerator, self._sharding)
            self.is_fsdp_enabled = True

    def _init_training_state(
        self,
        max_steps: int,
        num_update_steps_per_epoch: int,
        num_train_epochs: int,
        resume_from_checkpoint: str | None,
        trial: Any,
    ) -> tuple[int, int]:
        """Return the epochs that are done and the updates after them; all epochs where the checkpoint was written at the end of its run.

        A validation writes one even where it ends the run; the base class would forget that and train on.
        """
        epochs, steps = super()._init_training_state(
            max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
        )
        is_finished = resume_from_checkpoint is not None and (
            self.control.should_training_stop or self.state.global_step >= max_steps
        )
        return (num_train_epochs if is_finished else epochs), steps

    def get_train_dataloader(self) -> StepLoader:
        """Return a loader of updates; this process's share of each."""
        collate = partial(
            collate_step, packing=self._packing, rank=self.args.process_index, world_size=self.args.world_size
        )
        sampler = StepSampler(len(self._training), self._batch_size, self.args.seed)
        return StepLoader(
            self._training,  # type: ignore[arg-type]
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=self.args.dataloader_num_workers,
        )

    def get_total_train_batch_size(self, args: Any) -> int:
        """Return the records of an update."""
        return self._batch_size

    def get_batch_samples(
        self, epoch_iterator: Iterator[OptimizerStep], num_batches: int, device: torch.device
    ) -> tuple[list[OptimizerStep], int]:
        """Return the next update; its own count of learned tokens divides its loss."""
        step = next(epoch_iterator)
        return [step], step.label_tokens

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: not counted, passes differ."""
        return 0

    def training_step(
        self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run the passes of one update forward and backward; return the loss in nats per learned token."""
        step: OptimizerStep = inputs
        if not model.training:  # walking through all modules takes milliseconds
            model.train()
        scale = (
            self.args.world_size / step.label_tokens
        )  # gradients are averaged over processes, the loss is a sum over all of them
        total = torch.zeros((), device=self.args.device)
        for number, micro_batch in enumerate(step.micro_batches, start=1):
            with nullcontext() if number == len(step.micro_batches) else self.accelerator.no_sync(model):
                loss = self._compute_loss(model, micro_batch.to(self.args.device)) * scale
                self.accelerator.backward(loss)
            total += loss.detach()
        value = float(total)
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss of update {self.state.global_step + 1} is {value}: training has diverged. Lower train.learning_rate, raise train.warmup_ratio, or use train.precision fp32; "
                "the weights before are kept in the last checkpoint"
            )
        self.token_counter.add(step.micro_batches)
        self._training_metrics.count(records=step.records, tokens=step.tokens, label_tokens=step.label_tokens)
        return total

    def _compute_loss(self, model: torch.nn.Module, micro_batch: MicroBatch) -> Tensor:
        if self._noise is not None:
            self._noise.lengths = micro_batch.record_lengths
        with (
            self.accelerator.autocast() if self.is_fsdp_enabled else nullcontext()
        ):  # accelerate does it itself for a model that is not sharded
            loss: Tensor = model(**micro_batch.build_inputs()).loss
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the curves of this moment, under their names."""
        if entry := self._training_metrics.build_log_entry(logs):
            super().log(entry)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, and mark the checkpoint as whole once every process has written its part."""
        folder = Path(str(self.args.output_dir)) / f"{CHECKPOINT_PREFIX}{self.state.global_step}"
        folder.mkdir(
            parents=True, exist_ok=True
        )  # before the base class asks whether the best checkpoint, which may be this one, is there: all processes must get one answer
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_complete(folder)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Return and log the mean loss over the validation split, in nats per learned token."""
        self.model_wrapped.eval()
        total = label_tokens = 0.0
        for micro_batch in self._iter_validation_batches():
            total += float(self._compute_loss(self.model_wrapped, micro_batch.to(self.args.device)))
            label_tokens += len(micro_batch.targets)
        reshard(self.model_wrapped)
        if self.args.world_size > 1:
            sums = torch.tensor([total, label_tokens], dtype=torch.float64, device=self.args.device)
            total, label_tokens = self.accelerator.reduce(sums, reduction="sum").tolist()
        metrics = {f"{metric_key_prefix}_loss": total / label_tokens}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _iter_validation_batches(self) -> Iterator[MicroBatch]:
        """Yield this process's passes; as many as every other process has."""
        micro_batches: Sequence[MicroBatch] = list(iter_micro_batches(self._validation, self._packing))
        world_size = self.args.world_size
        for start in range(0, len(micro_batches), world_size):
            turn = micro_batches[start : start + world_size]
            rank = self.args.process_index
            yield turn[rank] if rank < len(turn) else turn[0].drop_targets()


class NeftuneNoise:
    """NEFTune (Jain et al. 2023): uniform noise of alpha / sqrt(length * size) on a record's embeddings while training.

    transformers' own hook takes the row's length, which in a packed row is that of all records together.
    """

    def __init__(self, model: torch.nn.Module, alpha: float) -> None:
        self._alpha = alpha
        self.lengths: Tensor | None = None  # of the record of each token, shape (U,) or (records, 1)
        model.get_input_embeddings().register_forward_hook(self._add_noise)  # type: ignore[operator]

    def _add_noise(self, layer: torch.nn.Module, _: Any, output: Tensor) -> Tensor:
        if not layer.training or self.lengths is None:
            return output
        size = (self._alpha / (self.lengths * output.shape[-1]).sqrt())[..., None].to(output.dtype)
        return output + torch.empty_like(output).uniform_(-1, 1) * size
