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
from seodang.training.checkpointing import PREFIX, seal
from seodang.training.dataset import Lessons
from seodang.training.fsdp import keep_fp32, shard_on_cpu, spread
from seodang.training.packing import Layout, Pass, Update, UpdateLoader, UpdateSampler, collate_update, passes_of
from seodang.training.tracking import Readings


@dataclass(slots=True)
class Work:
    """What the passes of a run have gone over, in this process."""

    read: int = 0  # tokens of the records
    computed: int = (
        0  # tokens that passed through the model: fewer where beginnings are shared, more where rows are padded
    )
    passes: int = 0

    def add(self, passes: Sequence[Pass]) -> None:
        """Count the passes of one update."""
        self.read += sum(part.read for part in passes)
        self.computed += sum(part.input_ids.numel() for part in passes)
        self.passes += len(passes)


class AnswerTrainer(Trainer):
    """A Trainer whose batch is a whole update: the passes of one process, and how many tokens all processes learn from it."""

    def __init__(
        self,
        *,
        training: Lessons,
        validation: Lessons,
        layout: Layout,
        batch_size: int,
        noise: float,
        readings: Readings,
        **trainer: Any,
    ) -> None:
        super().__init__(train_dataset=training, eval_dataset=validation, **trainer)
        self._training, self._validation = training, validation
        self._layout, self._batch_size, self._readings = layout, batch_size, readings
        self.work = Work()
        self._noise = EmbeddingNoise(trainer["model"], noise) if noise else None
        self._learned = [weight for weight in trainer["model"].parameters() if weight.requires_grad]
        if not self.is_fsdp_enabled:  # sharding puts other parameters in their place
            trainer["model"].zero_grad = self._forget_gradients

    def _forget_gradients(self) -> None:
        """Do what `zero_grad` of the model does; that walks through all modules, which takes milliseconds of each update."""
        for weight in self._learned:
            weight.grad = None

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        """Clip the gradients of what is learned, again without a walk through all modules; return their norm before."""
        if self.is_fsdp_enabled:
            return super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        return self.accelerator.clip_grad_norm_(self._learned, self.args.max_grad_norm)

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
        epochs, updates = super()._init_training_state(
            max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial
        )
        ended = resume_from_checkpoint is not None and (
            self.control.should_training_stop or self.state.global_step >= max_steps
        )
        return (num_train_epochs if ended else epochs), updates

    def get_train_dataloader(self) -> UpdateLoader:
        """Return a loader of updates; this process's share of each."""
        collate = partial(
            collate_update, layout=self._layout, process=self.args.process_index, processes=self.args.world_size
        )
        sampler = UpdateSampler(len(self._training), self._batch_size, self.args.seed)
        return UpdateLoader(
            self._training,  # type: ignore[arg-type]
            batch_sampler=sampler,
            collate_fn=collate,
            num_workers=self.args.dataloader_num_workers,
        )

    def get_total_train_batch_size(self, args: Any) -> int:
        """Return the records of an update."""
        return self._batch_size

    def get_batch_samples(
        self, epoch_iterator: Iterator[Update], num_batches: int, device: torch.device
    ) -> tuple[list[Update], int]:
        """Return the next update; its own count of learned tokens divides its loss."""
        update = next(epoch_iterator)
        return [update], update.learned

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: not counted, passes differ."""
        return 0

    def training_step(
        self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run the passes of one update forward and backward; return the loss in nats per learned token."""
        update: Update = inputs
        if not model.training:  # walking through all modules takes milliseconds
            model.train()
        share = (
            self.args.world_size / update.learned
        )  # gradients are averaged over processes, the loss is a sum over all of them
        total = torch.zeros((), device=self.args.device)
        for number, part in enumerate(update.passes, start=1):
            with nullcontext() if number == len(update.passes) else self.accelerator.no_sync(model):
                loss = self._loss(model, part.to(self.args.device)) * share
                self.accelerator.backward(loss)
            total += loss.detach()
        value = float(total)
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss of update {self.state.global_step + 1} is {value}: training has diverged. Lower train.learning_rate, raise train.warmup_share, or use train.precision fp32; "
                "the weights before are kept in the last checkpoint"
            )
        self.work.add(update.passes)
        self._readings.count(records=update.records, tokens=update.tokens, learned=update.learned)
        return total

    def _loss(self, model: torch.nn.Module, part: Pass) -> Tensor:
        if self._noise is not None:
            self._noise.lengths = part.record_lengths
        with (
            self.accelerator.autocast() if self.is_fsdp_enabled else nullcontext()
        ):  # accelerate does it itself for a model that is not sharded
            loss: Tensor = model(**part.inputs()).loss
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the curves of this moment, under their names."""
        if entry := self._readings.named(logs):
            super().log(entry)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, and mark the checkpoint as whole once every process has written its part."""
        folder = Path(str(self.args.output_dir)) / f"{PREFIX}{self.state.global_step}"
        folder.mkdir(
            parents=True, exist_ok=True
        )  # before the base class asks whether the best checkpoint, which may be this one, is there: all processes must get one answer
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seal(folder)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Return and log the mean loss over the validation split, in nats per learned token."""
        self.model_wrapped.eval()
        total = learned = 0.0
        for part in self._validation_passes():
            total += float(self._loss(self.model_wrapped, part.to(self.args.device)))
            learned += len(part.targets)
        spread(self.model_wrapped)
        if self.args.world_size > 1:
            sums = torch.tensor([total, learned], dtype=torch.float64, device=self.args.device)
            total, learned = self.accelerator.reduce(sums, reduction="sum").tolist()
        metrics = {f"{metric_key_prefix}_loss": total / learned}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_passes(self) -> Iterator[Pass]:
        """Yield this process's passes; as many as every other process has."""
        passes: Sequence[Pass] = list(passes_of(self._validation, self._layout))
        processes = self.args.world_size
        for start in range(0, len(passes), processes):
            turn = passes[start : start + processes]
            mine = self.args.process_index
            yield turn[mine] if mine < len(turn) else turn[0].without_targets()


class EmbeddingNoise:
    """NEFTune (Jain et al. 2023): uniform noise of alpha / sqrt(length * size) on a record's embeddings while training.

    transformers' own hook takes the row's length, which in a packed row is that of all records together.
    """

    def __init__(self, model: torch.nn.Module, alpha: float) -> None:
        self._alpha = alpha
        self.lengths: Tensor | None = None  # of the record of each token, shape (U,) or (records, 1)
        model.get_input_embeddings().register_forward_hook(self._add)  # type: ignore[operator]

    def _add(self, layer: torch.nn.Module, _: Any, output: Tensor) -> Tensor:
        if not layer.training or self.lengths is None:
            return output
        size = (self._alpha / (self.lengths * output.shape[-1]).sqrt())[..., None].to(output.dtype)
        return output + torch.empty_like(output).uniform_(-1, 1) * size
