"""Compute logits at some positions only."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


def compute_logits(model: PreTrainedModel, positions: Sequence[int], **inputs: Any) -> Tensor:
    """Return the logits, (rows, L, vocabulary), at L positions of each row.

    With the argument `logits_to_keep`, most models compute no other logits. A model may not know it, or
    accept and ignore it; its logits of all positions would be read at the wrong places.

    Args:
        model: With a forward pass of transformers.
        positions: In ascending order.
        inputs: Of the forward pass; `input_ids` has the shape (rows, tokens).
    """
    kept = torch.tensor(positions, device=model.device)
    arguments = {"logits_to_keep": kept} if _accepts_logits_to_keep(model) else {}
    logits: Tensor = model(**inputs, **arguments).logits
    return logits if logits.shape[1] == len(positions) else logits.index_select(1, kept)


def _accepts_logits_to_keep(model: PreTrainedModel) -> bool:
    parameters = inspect.signature(model.forward).parameters
    return "logits_to_keep" in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    )
