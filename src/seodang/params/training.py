"""Sections `train`, `evaluate` and `gate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from seodang.params.model import PromptFormat
from seodang.params.section import Section, Share


class TrainParams(Section):
    """LoRA (Hu et al. 2021) and the optimiser."""

    seed: int
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["fp32", "bf16"]
    rank: PositiveInt
    alpha: PositiveInt
    """The adapter's output is scaled by alpha / rank."""
    dropout: Share
    targets: Annotated[list[str], Field(min_length=1)]
    """Names of the linear layers that get an adapter; ["all-linear"] for all."""
    learning_rate: PositiveFloat
    schedule: Literal["linear", "cosine", "constant"]
    warmup_share: Share
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Records a step and device."""
    accumulation: PositiveInt
    """Steps an update."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer record is left out and counted, never cut."""
    max_grad_norm: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    log_every: PositiveInt
    """Updates."""


class EvaluateParams(Section):
    """What is asked of every model."""

    seed: int
    items_per_task: PositiveInt
    """Test items of each task and language at the most, chosen by hash."""
    shots: NonNegativeInt
    """Exemplars of the few-shot prompt, from the training split."""
    base_formats: Annotated[list[PromptFormat], Field(min_length=1)]
    """Prompt formats tried with the base; it is judged by its best."""
    batch_tokens: PositiveInt
    """Padded tokens of one forward pass."""
    max_new_tokens: PositiveInt
    generated_per_task: PositiveInt
    """Items of each task and language that are also answered freely, by greedy generation."""


class GateParams(Section):
    """When a tuned model is good enough."""

    seed: int
    resamples: PositiveInt
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    metric: Literal["accuracy", "exact", "chrf"]
    """accuracy: over the items with a closed label set; exact (0 to 1) and chrf (0 to 100): over free answers."""
    tasks: list[str]
    """Tasks of the test split that decide; [] for all that have the metric."""
    minimum_score: Annotated[float, Field(ge=0, le=100)]
    """The tuned model's mean of the metric."""
    minimum_margin: Annotated[float, Field(ge=0, lt=100)]
    """The interval of tuned minus base must lie above this."""
    minimum_items: PositiveInt
    minimum_stop_rate: Annotated[float, Field(ge=0, le=1)]
    """Share of free answers that end by themselves."""
