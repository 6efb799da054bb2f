"""Attention over packed records, each apart from the others, with the kernels of scaled_dot_product_attention, or FlashAttention's where it is installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils.import_utils import is_flash_attn_2_available

ATTENTION_NAME = "seodang_packed"
_FLASH_MAX_HEAD_SIZE = 256  # of a head, at most


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
    **_: Any,
) -> tuple[Tensor, None]:
    """Return what each token sees of its own record.

    Args:
        module: The attention layer; not read.
        query: (1, heads, U, size).
        key: (1, key heads, U, size); key heads divide heads.
        value: As `key`.
        attention_mask: None: the rows say it all.
        attention_rows: As in Pass: the places of each record's tokens among U.
        own_rows: As in Pass: where, in the groups' results, each token stands.
        scaling: Of the scores; None for size ** -0.5.
        dropout: Of the weights.
        sliding_window: Tokens that a token sees, itself included; None for all.
        softcap: Bound of the scores (Gemma 2); None for none.

    Returns:
        (1, U, heads, size), and None in place of the weights.
    """
    # torch's bf16 kernel for CPUs takes three to four times as long backward as the one for fp32 where records are short.
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
    """Return (records, heads, longest, size) of each group from (1, heads, U, size); all in one step, as gradients of a gathering are large."""
    flat = (
        states.squeeze(0).transpose(0, 1).index_select(0, indices).to(precision)
    )  # [0] would fill a tensor of zeros on its way back
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
    """Return whether FlashAttention 2 is installed and has a kernel for these (records, heads, length, size)."""
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
    """Return attention by FlashAttention 2 (arXiv 2307.08691), which bounds windows and scores inside its kernel, where torch's would need a mask or all scores."""
    from flash_attn import flash_attn_func

    output: Tensor = flash_attn_func(
        *(states.transpose(1, 2) for states in (query, key, value)),
        dropout_p=dropout,
        softmax_scale=scaling,
        causal=True,
        window_size=(-1, -1)
        if window is None
        else (window - 1, 0),  # tokens seen before and behind a token, itself not counted
        softcap=softcap or 0.0,
        deterministic=True,  # its gradients are summed in any order otherwise
    )
    return output.transpose(1, 2)


def _attend_softcapped(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float | None, dropout: float, softcap: float
) -> Tensor:
    """Return attention whose scores are bounded by a tanh, which no fused kernel here knows (Gemma 2, arXiv 2408.00118)."""
    repeats = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[3] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    weights = scores.masked_fill(~visible, float("-inf")).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    output: Tensor = torch.dropout(weights, dropout, train=dropout > 0) @ value
    return output


def use_packed_attention(model: PreTrainedModel) -> None:
    """Let the model attend by `packed_attention`; its forward passes then need the rows."""
    ALL_ATTENTION_FUNCTIONS.register(ATTENTION_NAME, packed_attention)
    model.set_attn_implementation(ATTENTION_NAME)
