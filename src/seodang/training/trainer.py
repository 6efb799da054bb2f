"""transformers' Trainer with packed micro-batches, a loss on label tokens only, and an evaluation of the same kind."""

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
from seodang.i18n import _
from seodang.training.checkpointing import CHECKPOINT_PREFIX, mark_complete
from seodang.training.dataset import TokenizedDataset
from seodang.training.fsdp import keep_fp32, reshard, shard_on_cpu
from seodang.training.micro_batch import MicroBatch
from seodang.training.optimizer_steps import OptimizerStep, StepLoader, StepSampler, collate_step
from seodang.training.packing import PackingConfig, iter_micro_batches
from seodang.training.tracking import TrainingMetrics


@dataclass(slots=True)
class TokenCounter:
    """Counts over the micro-batches of this process."""

    record_tokens: int = 0
    computed_tokens: int = 0  # passed through the model: fewer if prefixes are shared, more if rows are padded
    micro_batches: int = 0

    def add(self, micro_batches: Sequence[MicroBatch]) -> None:
        """Count the micro-batches of one optimizer step."""
        self.record_tokens += sum(part.record_tokens for part in micro_batches)
        self.computed_tokens += sum(part.input_ids.numel() for part in micro_batches)
        self.micro_batches += len(micro_batches)


class SFTTrainer(Trainer):
    """A Trainer whose batch is an OptimizerStep: micro-batches of this process, and label tokens of all processes."""

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
        if not self.is_fsdp_enabled:  # sharding replaces the parameters
            kwargs["model"].zero_grad = self._zero_grad

    def _zero_grad(self) -> None:
        """Clear the gradients; the model's zero_grad visits all modules and takes milliseconds per optimizer step."""
        for weight in self._trainable_parameters:
            weight.grad = None

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        """Clip the gradients without a visit to all modules; return their norm before clipping."""
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
        """Create the Accelerator; it also shards on CPUs."""
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
        """Return the finished epochs and the optimizer steps after them; all epochs if the checkpoint ends its run.

        An evaluation that stops the run also writes a checkpoint; the base class would ignore that and continue.
        """
        epochs, steps = super()._init_training_state(
            max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
        )
        is_finished = resume_from_checkpoint is not None and (
            self.control.should_training_stop or self.state.global_step >= max_steps
        )
        return (num_train_epochs if is_finished else epochs), steps

    def get_train_dataloader(self) -> StepLoader:
        """Return a loader of this process's part of each optimizer step."""
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
        """Return the records of an optimizer step."""
        return self._batch_size

    def get_batch_samples(
        self, epoch_iterator: Iterator[OptimizerStep], num_batches: int, device: torch.device
    ) -> tuple[list[OptimizerStep], int]:
        """Return the next optimizer step; its number of label tokens divides its loss."""
        step = next(epoch_iterator)
        return [step], step.label_tokens

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: operations are not counted, as micro-batches differ."""
        return 0

    def training_step(
        self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run the micro-batches of one optimizer step forward and backward; return the loss in nats per label token."""
        step: OptimizerStep = inputs
        if not model.training:  # train() visits all modules, which takes milliseconds
            model.train()
        # Gradients are averaged over the processes, but the loss is a sum over them.
        scale = self.args.world_size / step.label_tokens
        total = torch.zeros((), device=self.args.device)
        for number, micro_batch in enumerate(step.micro_batches, start=1):
            with nullcontext() if number == len(step.micro_batches) else self.accelerator.no_sync(model):
                loss = self._compute_loss(model, micro_batch.to(self.args.device)) * scale
                self.accelerator.backward(loss)
            total += loss.detach()
        value = float(total)
        if not math.isfinite(value):
            raise TrainingError(
                _(
                    "the loss of optimizer step {step} is {loss}: training diverged. Lower train.learning_rate, raise"
                    " train.warmup_ratio, or use train.precision fp32; the last checkpoint holds the weights before",
                    step=self.state.global_step + 1,
                    loss=value,
                )
            )
        self.token_counter.add(step.micro_batches)
        self._training_metrics.count(records=step.records, tokens=step.tokens, label_tokens=step.label_tokens)
        return total

    def _compute_loss(self, model: torch.nn.Module, micro_batch: MicroBatch) -> Tensor:
        if self._noise is not None:
            self._noise.lengths = micro_batch.record_lengths
        # accelerate wraps the forward pass in autocast itself, except for a sharded model.
        with self.accelerator.autocast() if self.is_fsdp_enabled else nullcontext():
            loss: Tensor = model(**micro_batch.build_inputs()).loss
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the current values of the curves under their names."""
        if entry := self._training_metrics.build_log_entry(logs):
            super().log(entry)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, and mark the checkpoint as complete when every process has written its part."""
        folder = Path(str(self.args.output_dir)) / f"{CHECKPOINT_PREFIX}{self.state.global_step}"
        # The base class checks whether the best checkpoint, maybe this one, exists: all processes must find the same.
        folder.mkdir(parents=True, exist_ok=True)
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_complete(folder)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Return and log the mean loss over the validation split, in nats per label token."""
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
        """Yield this process's micro-batches; all processes have the same number."""
        micro_batches: Sequence[MicroBatch] = list(iter_micro_batches(self._validation, self._packing))
        world_size = self.args.world_size
        for start in range(0, len(micro_batches), world_size):
            turn = micro_batches[start : start + world_size]
            rank = self.args.process_index
            yield turn[rank] if rank < len(turn) else turn[0].drop_targets()


class NeftuneNoise:
    """NEFTune (Jain et al. 2023): uniform noise of alpha / sqrt(length * size) on a record's embeddings in training.

    The hook of transformers uses the length of the row; the length of a packed row is that of all its records.
    """

    def __init__(self, model: torch.nn.Module, alpha: float) -> None:
        self._alpha = alpha
        self.lengths: Tensor | None = None  # length of the record of each token, shape (1, U) or (records, 1)
        model.get_input_embeddings().register_forward_hook(self._add_noise)  # type: ignore[operator]

    def _add_noise(self, layer: torch.nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        if not layer.training or self.lengths is None:
            return output
        size = (self._alpha / (self.lengths * output.shape[-1]).sqrt())[..., None].to(output.dtype)
        return output + torch.empty_like(output).uniform_(-1, 1) * size
