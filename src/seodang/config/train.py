"""Section `train` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.config.section import Ratio, Section
from seodang.i18n import _


class TrainParams(Section):
    """The method, the optimizer, and how the work is laid out on the machine."""

    seed: NonNegativeInt
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"]
    """Of the frozen base and the arithmetic; trainable weights are kept in fp32."""
    method: Literal["lora", "rslora", "dora", "qlora", "full"]
    """lora (Hu et al. 2021), rslora (Kalajdzievski 2023), dora (Liu et al. 2024), qlora (Dettmers et al. 2023: base in
    NF4 with double quantization), full: all weights."""
    rank: PositiveInt
    alpha: PositiveInt
    """The output of the adapter is scaled by alpha / rank, with rslora by alpha / sqrt(rank)."""
    dropout: Ratio
    target_modules: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter; ["all-linear"] for all."""
    learning_rate: PositiveFloat
    lr_scheduler: Literal["linear", "cosine", "constant", "wsd"]
    """wsd: warm-up, stable, decay (Hu et al. 2024)."""
    warmup_ratio: Ratio
    """Share of the optimizer steps."""
    decay_ratio: Ratio
    """Share of the optimizer steps, at the end; used by wsd."""
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Records per optimizer step, over all devices."""
    tokens_per_micro_batch: PositiveInt
    """Tokens of one forward pass; an optimizer step with more tokens accumulates gradients over several."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer record is left out and counted, never cut."""
    packing: bool
    """Records of a micro-batch follow one another without padding, kept apart by the attention; false: padded rows."""
    share_prefixes: bool
    """Prefixes that records of a packed micro-batch share are computed once; not with dropout or noise."""
    kernels: Literal["auto", "off"]
    """auto: own kernels for LoRA, RMSNorm and the last layer, where they fit; off: the library's forward passes."""
    activation_checkpointing: bool
    """Recompute activations in the backward pass: less memory, about a third more time."""
    neftune_noise_alpha: Annotated[float, Field(ge=0)]
    """Noise on the embeddings (NEFTune, Jain et al. 2023); 0: none."""
    max_grad_norm: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    base_weight: Annotated[float, Field(ge=0, lt=1)]
    """Weight of the base in the average of base and tuned weights after training (WiSE-FT, Wortsman et al. 2022, arXiv
    2109.01903); the tuned weights have the rest. More keeps more of what the base knew; 0: the tuned weights alone."""
    early_stopping_patience: NonNegativeInt
    """Evaluations in a row without a lower validation loss after which training stops with the best weights; 0: off."""
    eval_steps: PositiveInt | None
    """Optimizer steps between evaluations on the validation split; null: at the end of each epoch."""
    save_steps: PositiveInt
    """Optimizer steps between checkpoints, from which an interrupted run resumes."""
    logging_steps: PositiveInt
    """Optimizer steps between log entries."""
    minimum_eos_ratio: Annotated[float, Field(ge=0, le=1)]
    """Share of the validation answers after which the tuned model predicts the end token; below it training fails."""
    report_samples: NonNegativeInt
    """Validation records that are answered before and after training, for the training page."""
    report_to: list[Literal["mlflow", "tensorboard", "wandb"]]
    """Trackers besides dvclive, which always logs; each needs its extra."""
    processes: PositiveInt
    """Number of processes on this machine, one per device."""
    sharding: Literal["none", "fsdp"]
    """none: each process holds the full model (DDP); fsdp: the weights are sharded over the processes."""

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.tokens_per_micro_batch < self.max_length:
            raise ValueError(
                _(
                    "tokens_per_micro_batch {tokens} is less than max_length {length}: "
                    "a record of that length fits into no micro-batch",
                    tokens=self.tokens_per_micro_batch,
                    length=self.max_length,
                )
            )
        if self.base_weight and self.sharding == "fsdp" and self.method in ("dora", "full"):
            raise ValueError(
                _(
                    "base_weight {weight} is not possible with method {method} and sharding fsdp; set base_weight: 0",
                    weight=self.base_weight,
                    method=self.method,
                )
            )
        if self.batch_size < self.processes:
            raise ValueError(
                _(
                    "batch_size {batch_size} is less than processes {processes}: raise it, so that each has a record",
                    batch_size=self.batch_size,
                    processes=self.processes,
                )
            )
        if self.lr_scheduler == "wsd" and self.warmup_ratio + self.decay_ratio > 1:
            raise ValueError(
                _(
                    "warmup_ratio {warmup} and decay_ratio {decay} are more than 1 together: with lr_scheduler wsd, the"
                    " steps of warm-up and decay must fit into the run; lower one of them",
                    warmup=self.warmup_ratio,
                    decay=self.decay_ratio,
                )
            )
        if self.sharding == "fsdp" and self.processes == 1:
            raise ValueError(_("sharding fsdp needs processes above 1"))
        if self.sharding == "fsdp" and self.method == "qlora":
            raise ValueError(
                _("method qlora cannot be sharded; use lora with sharding fsdp, or qlora without sharding")
            )
        return self
