"""Decide whether the losses of label tokens equal the model's own, up to the rounding of its precision. Pure."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seodang.i18n import _


class _Tolerance(NamedTuple):
    """How much losses may differ from the model's own, relative to them."""

    token: float
    """Of a token."""
    share: float
    """Tokens that must stay within it; rounding sends some to another expert of a mixture."""
    mean: float
    """Of the mean over all tokens."""


# Half precisions round each operation.
_TOLERANCES = {torch.float32: _Tolerance(token=1e-3, share=1.0, mean=1e-3)}
_HALF_TOLERANCE = _Tolerance(token=2e-1, share=0.95, mean=3e-2)


def describe_difference(losses: Tensor, total: float, reference: Tensor, dtype: torch.dtype) -> str | None:
    """Return how losses differ from the model's own; None if they agree.

    Args:
        losses: In nats, of all label tokens.
        total: Their sum as training computes it.
        reference: The model's own losses of the same tokens.
        dtype: Precision of the model.
    """
    tolerance = _TOLERANCES.get(dtype, _HALF_TOLERANCE)
    differences = (losses - reference).abs() / reference.abs().clamp(min=1.0)
    worst = int(differences.argmax())
    expected_total = float(reference.sum())
    # A comparison with NaN is false.
    if not (
        float(differences.quantile(tolerance.share)) <= tolerance.token and float(differences.mean()) <= tolerance.mean
    ):
        return _(
            "the loss of a token is {loss:.4f} instead of {reference:.4f}",
            loss=float(losses[worst]),
            reference=float(reference[worst]),
        )
    if not abs(total - expected_total) <= tolerance.mean * max(1.0, abs(expected_total)):
        return _("the sum of the losses is {loss:.4f} instead of {reference:.4f}", loss=total, reference=expected_total)
    return None
