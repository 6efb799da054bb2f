"""Section `train` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.config.section import Ratio, Section


class TrainParams(Section):
    """The method, the optimiser, and how the work is laid out on the machine."""

    seed: int
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"]
    """Of the frozen base and the arithmetic; what is learned is kept in fp32."""
    method: Literal["lora", "rslora", "dora", "qlora", "full"]
    """lora (Hu et al. 2021), rslora (Kalajdzievski 2023), dora (Liu et al. 2024), qlora (Dettmers et al. 2023: base in NF4 with double quantisation), full: all weights."""
    rank: PositiveInt
    alpha: PositiveInt
    """The adapter's output is scaled by alpha / rank, with rslora by alpha / sqrt(rank)."""
    dropout: Ratio
    target_modules: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter; ["all-linear"] for all."""
    learning_rate: PositiveFloat
    lr_scheduler: Literal["linear", "cosine", "constant", "wsd"]
    """wsd: warm-up, stable, decay (Hu et al. 2024)."""
    warmup_ratio: Ratio
    """Of the updates."""
    decay_ratio: Ratio
    """Of the updates, at the end; read by wsd."""
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Records an update, over all devices."""
    tokens_per_micro_batch: PositiveInt
    """Tokens of one forward pass; an update that has more accumulates gradients over several."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer record is left out and counted, never cut."""
    packing: bool
    """Records of a pass stand one after the other without padding, kept apart by the attention; false: padded rows."""
    share_prefixes: bool
    """Beginnings that records of a packed pass have in common are computed once; not with dropout or noise."""
    kernels: Literal["auto", "off"]
    """auto: own kernels for LoRA, RMSNorm and the last layer, where they fit the model; off: the library's forward passes."""
    activation_checkpointing: bool
    """Recompute activations in the backward pass: less memory, about a third more time."""
    neftune_noise_alpha: Annotated[float, Field(ge=0)]
    """Noise on the embeddings (Jain et al. 2023); 0: none."""
    max_grad_norm: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    early_stopping_patience: NonNegativeInt
    """Validations in a row without a lower loss after which training stops, and the best weights are taken; 0: off."""
    eval_steps: PositiveInt | None
    """Updates; null: at the end of each epoch."""
    save_steps: PositiveInt
    """Updates between checkpoints, from which a killed run goes on."""
    logging_steps: PositiveInt
    """Updates."""
    minimum_eos_ratio: Annotated[float, Field(ge=0, le=1)]
    """Of the validation answers, those after which the trained model would write the end token; below it training ends with an error."""
    report_samples: NonNegativeInt
    """Validation records whose answers before and after stand in the training report; writing them takes time on a CPU."""
    report_to: list[Literal["mlflow", "tensorboard", "wandb"]]
    """Besides dvclive, which always logs; each needs its extra."""
    processes: PositiveInt
    """Of this machine, one for each device."""
    sharding: Literal["none", "fsdp"]
    """none: each process holds the whole model (DDP); fsdp: its weights are spread over the processes."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.tokens_per_micro_batch < self.max_length:
            raise ValueError(
                f"tokens_per_micro_batch {self.tokens_per_micro_batch} is less than max_length {self.max_length}: a record of that length would fit into no pass"
            )
        if self.batch_size < self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} is less than processes {self.processes}: raise it, so that each has a record"
            )
        if self.sharding == "fsdp" and self.processes == 1:
            raise ValueError("sharding fsdp needs processes above 1")
        if self.sharding == "fsdp" and self.method == "qlora":
            raise ValueError(
                "method qlora cannot be sharded; take lora with sharding fsdp, or qlora with sharding none"
            )
        return self
