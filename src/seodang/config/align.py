"""Section `align`: preference tuning after training."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from seodang.config.ingest import SourceParams
from seodang.config.section import Ratio, Section


class AlignParams(Section):
    """The method, its preference data and its optimizer; method none switches the stage off."""

    method: Literal["none", "dpo", "kto", "orpo"]
    """dpo (Rafailov et al. 2023) and kto (Ethayarajh et al. 2024) start from the tuned adapter, which is also their
    reference; orpo (Hong et al. 2024) starts from the base and has no reference."""
    sources: list[SourceParams]
    """Preference pairs (dpo, orpo; kto takes both sides) and single answers with a thumb up or down (kto)."""
    seed: NonNegativeInt
    beta: PositiveFloat
    """dpo, kto: how strongly the reference holds the model; orpo: weight of the odds ratio, lambda in the paper."""
    learning_rate: PositiveFloat
    lr_scheduler: Literal["linear", "cosine", "constant"]
    warmup_ratio: Ratio
    """Share of the optimizer steps."""
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Pairs, or with kto single answers, per optimizer step."""
    micro_batch_size: PositiveInt
    """Pairs or answers of one forward pass; an optimizer step with more accumulates gradients."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer pair is left out and counted, never cut."""
    max_grad_norm: PositiveFloat
    desirable_weight: PositiveFloat
    """kto: weight of the answers with a thumb up."""
    undesirable_weight: PositiveFloat
    """kto: weight of the answers with a thumb down."""
    save_steps: PositiveInt
    """Optimizer steps between checkpoints, from which an interrupted run resumes."""
    logging_steps: PositiveInt
    """Optimizer steps between log entries."""
