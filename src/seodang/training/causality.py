"""Check that a model is causal: a later token must not change what the model predicts before it.

A model that sees later tokens learns to copy them from its own input, and cannot generate what it learned. Some
architectures that transformers offers for causal language modelling are not causal, or only with a setting.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.logits import compute_logits
from seodang.models.architecture import get_rope_boundary

# Changes of logits relative to the largest one. Rounding changes fp32 logits by 1e-6; in half precision it sends single
# tokens of a mixture to other experts, so there the median counts.
_FP32_TOLERANCE = 1e-4
_HALF_TOLERANCE = 3e-2
_POSITIONS = 16  # compared predictions before a changed token


@torch.no_grad()
def check_causality(model: PreTrainedModel, ids: Tensor) -> None:
    """Raise an error if tokens change the predictions before them.

    The last token is changed, then the second half: a model may see a few tokens ahead, or all of its prompt. Then the
    last token is removed: ProphetNet does not see it, but its predictions depend on the length of the text.

    Args:
        model: In evaluation mode.
        ids: Tokens of a record, shape (T,).

    Raises:
        ModelError: If the model is not causal.
    """
    length = len(ids)
    variants = [(start, _change_tokens(ids, start)) for start in {length // 2, length - 1} - {0}]
    if model.dtype == torch.float32 and length > 1 and get_rope_boundary(model.config) is None:
        variants.append((length - 1, ids[:-1]))
    tolerance = _FP32_TOLERANCE if model.dtype == torch.float32 else _HALF_TOLERANCE
    for start, changed in variants:
        if _measure_change(model, ids, changed, start) > tolerance:
            if _measure_change(model, ids, ids, start) > tolerance:
                return  # the model computes something else each time, which the comparison of losses reports
            raise ModelError(
                _(
                    "the architecture {architecture} is not causal: later tokens change what the model predicts before"
                    " them, so training would teach it to read ahead; choose another base, or set is_decoder to true in"
                    " its config.json if that is false",
                    architecture=model.config.model_type,
                )
            )


def _measure_change(model: PreTrainedModel, ids: Tensor, changed: Tensor, start: int) -> float:
    """Return how far the logits before `start` change, relative to the largest one."""
    positions = sorted({start - 1 - step * start // _POSITIONS for step in range(_POSITIONS)})
    logits, others = (
        compute_logits(model, positions, input_ids=each[None], use_cache=False)[0].float() for each in (ids, changed)
    )
    changes = (logits - others).abs().amax(dim=-1)
    change = changes.max() if model.dtype == torch.float32 else changes.median()
    return float(change / logits.abs().max().clamp(min=1e-6))


def _change_tokens(ids: Tensor, start: int) -> Tensor:
    """Return the tokens with others of the same record from `start` on."""
    changed = ids.clone()
    for position in range(start, len(ids)):
        others = ids[ids != ids[position]]
        changed[position] = others[position % len(others)] if len(others) else ids[position]
    return changed
