"""Attention within each packed record, by scaled_dot_product_attention, or by FlashAttention where it is installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils.import_utils import is_flash_attn_2_available

from seodang.models.attention_probe import find_unknown_arguments

ATTENTION_NAME = "seodang_packed"
_FLASH_MAX_HEAD_SIZE = 256


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    attention_rows: tuple[Tensor, ...],
    result_rows: Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Return the attention of each token to the tokens of its record.

    Args:
        module: The attention layer; not read.
        query: (1, heads, U, size).
        key: (1, key heads, U, size); key heads divide heads.
        value: As `key`.
        attention_mask: None; the rows replace it.
        attention_rows: As in MicroBatch: positions of each record's tokens in U.
        result_rows: As in MicroBatch: index of each token in the results of the groups.
        scaling: Factor of the scores; None: size ** -0.5.
        dropout: Dropout probability of the attention weights.
        sliding_window: Number of visible tokens, the token itself included; None: all.
        softcap: Bound of the scores (Gemma 2); None: unbounded.
        others: Arguments that change nothing.

    Returns:
        (1, U, heads, size), and None instead of the attention weights.

    Raises:
        TypeError: If the layer has a mask of its own, or an argument that this function does not know.
    """
    unknown = [*find_unknown_arguments(others), *(["attention_mask"] if attention_mask is not None else [])]
    if unknown:
        raise TypeError(f"attention arguments that packing does not support: {', '.join(unknown)}")
    # For short records, the backward pass of torch's bf16 CPU kernel takes three to four times as long as fp32's.
    precision = torch.float32 if query.device.type == "cpu" else query.dtype
    indices = torch.cat([rows.flatten() for rows in attention_rows])
    grouped_states = [_gather_groups(states, indices, attention_rows, precision) for states in (query, key, value)]
    results = []
    for states in zip(*grouped_states, strict=True):
        output = _attend(*states, scaling=scaling, dropout=dropout, window=sliding_window, softcap=softcap)
        results.append(output.transpose(1, 2).reshape(-1, output.shape[1], output.shape[3]))
    flat = results[0] if len(results) == 1 else torch.cat(results)
    return flat.index_select(0, result_rows)[None].to(query.dtype), None


def _gather_groups(states: Tensor, indices: Tensor, groups: tuple[Tensor, ...], precision: torch.dtype) -> list[Tensor]:
    """Return (records, heads, longest, size) of each group from (1, heads, U, size).

    All groups are gathered at once, as each index_select has a gradient as large as the states.
    """
    # squeeze(0), as the backward pass of [0] would fill a tensor of zeros.
    flat = states.squeeze(0).transpose(0, 1).index_select(0, indices).to(precision)
    parts = flat.split([rows.numel() for rows in groups])
    return [part.view(*rows.shape, *part.shape[1:]).transpose(1, 2) for part, rows in zip(parts, groups, strict=True)]


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    if can_use_flash(query):
        return _attend_flash(query, key, value, scaling, dropout, window, softcap)
    is_gqa = key.shape[1] != query.shape[1]
    length = query.shape[2]
    if softcap is None and (window is None or length <= window):
        return scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=is_gqa
        )
    positions = torch.arange(length, device=query.device)
    visible = positions[:, None] >= positions
    if window is not None:
        visible &= positions[:, None] - positions < window
    if softcap is None:
        return scaled_dot_product_attention(
            query, key, value, attn_mask=visible, dropout_p=dropout, scale=scaling, enable_gqa=is_gqa
        )
    return _attend_softcapped(query, key, value, visible, scaling, dropout, softcap)


def can_use_flash(query: Tensor) -> bool:
    """Return whether FlashAttention 2 is installed and has a kernel for a query (records, heads, length, size)."""
    return (
        query.is_cuda
        and query.dtype in {torch.float16, torch.bfloat16}
        and query.shape[3] <= _FLASH_MAX_HEAD_SIZE
        and is_flash_attn_2_available()
    )


def _attend_flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """Return attention by FlashAttention 2 (arXiv 2307.08691).

    Its kernel supports windows and bounded scores; torch's needs a mask for the former and full scores for the latter.
    """
    from flash_attn import flash_attn_func

    output: Tensor = flash_attn_func(
        *(states.transpose(1, 2) for states in (query, key, value)),
        dropout_p=dropout,
        softmax_scale=scaling,
        causal=True,
        # Visible tokens before and after a token, without the token itself.
        window_size=(-1, -1) if window is None else (window - 1, 0),
        softcap=softcap or 0.0,
        deterministic=True,  # otherwise gradients are summed in any order
    )
    return output.transpose(1, 2)


def _attend_softcapped(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float | None, dropout: float, softcap: float
) -> Tensor:
    """Return attention with scores bounded by tanh (Gemma 2, arXiv 2408.00118), which torch has no fused kernel for."""
    repeats = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[3] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    weights = scores.masked_fill(~visible, float("-inf")).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    output: Tensor = torch.dropout(weights, dropout, train=dropout > 0) @ value
    return output


def use_packed_attention(model: PreTrainedModel) -> None:
    """Replace the model's attention by `packed_attention`; its forward pass then needs the rows of a MicroBatch."""
    ALL_ATTENTION_FUNCTIONS.register(ATTENTION_NAME, packed_attention)
    model.set_attn_implementation(ATTENTION_NAME)
