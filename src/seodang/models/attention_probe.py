"""Record what a model's own attention layers see, and compare it with what packing and prefix trees assume.

Both replace the masks of a model by causality and a sliding window. Three kinds of layers would silently compute
something else. One has another mask (chunks, a prefix that sees itself), and one has a window that it does not pass on.
The third has further arguments (sinks, a bias of positions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from seodang.i18n import _

_RECORDER = "seodang_recorder"
# Arguments that models pass to their attention and that change nothing in a causal forward pass without a cache.
_NEUTRAL_ARGUMENTS = frozenset(
    {
        "cache_position",
        "deterministic",
        "dropout",
        "logits_to_keep",
        "num_items_in_batch",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "position_embeddings",
        "position_ids",
        "return_dict",
        "scaling",
        "sliding_window",
        "softcap",
        "use_cache",
    }
)


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """One attention layer in a forward pass over a single record."""

    is_window: bool
    """Whether each token sees itself and the tokens before it, all or a fixed number of them."""
    window: int | None
    """Tokens that a token sees; None if it sees all before it."""
    window_argument: int | None
    """The argument `sliding_window`; None where it hides no token of the record."""
    unknown_arguments: tuple[str, ...]


def find_unknown_arguments(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of arguments of an attention function that may change its result."""
    return tuple(
        name
        for name, value in arguments.items()
        if value is not None and name not in _NEUTRAL_ARGUMENTS and not (name == "is_causal" and value)
    )


@torch.no_grad()
def record_attention(model: PreTrainedModel, ids: Tensor) -> list[AttentionCall]:
    """Return the calls of the model's attention layers in its own forward pass; the layers return zeros.

    Args:
        model: Its attention can be replaced.
        ids: Tokens of a record, shape (T,).
    """
    calls: list[AttentionCall] = []

    def record(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **arguments: Any,
    ) -> tuple[Tensor, None]:
        calls.append(_describe_call(query, key, attention_mask, arguments))
        return query.new_zeros(query.shape[0], query.shape[2], query.shape[1], value.shape[-1]), None

    attention = model.config._attn_implementation
    ALL_ATTENTION_FUNCTIONS.register(_RECORDER, record)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_RECORDER, sdpa_mask)
    model.set_attn_implementation(_RECORDER)
    try:
        model(input_ids=ids[None].to(model.device), use_cache=False)
    finally:
        model.set_attn_implementation(attention)
    return calls


def _describe_call(query: Tensor, key: Tensor, mask: Tensor | None, arguments: Mapping[str, Any]) -> AttentionCall:
    length = query.shape[2]
    argument = arguments.get("sliding_window")
    is_window, window = (key.shape[2] == length), None
    if mask is not None and is_window:
        visible = mask if mask.dtype == torch.bool else mask == 0
        is_window = mask.dtype == torch.bool or bool((visible | (mask <= torch.finfo(mask.dtype).min)).all())
        window = int(visible[0, 0, -1].sum())
        distances = torch.arange(length, device=mask.device)[:, None] - torch.arange(length, device=mask.device)
        expected = (distances >= 0) & (distances < window)
        is_window = is_window and visible.shape[2:] == expected.shape and bool((visible == expected).all())
    return AttentionCall(
        is_window=is_window,
        window=window if window is not None and window < length else None,
        window_argument=argument if argument and argument < length else None,
        unknown_arguments=find_unknown_arguments(arguments),
    )


def find_packing_problem(model: PreTrainedModel, ids: Tensor) -> str | None:
    """Return why packed attention would differ from the model's own on a record; None if it would not.

    Args:
        model: Its attention can be replaced.
        ids: Tokens of the longest record, so that a window shorter than a record hides some of them.
    """
    for call in record_attention(model, ids):
        if call.unknown_arguments:
            return _("its attention has the arguments {names}", names=", ".join(call.unknown_arguments))
        if not call.is_window:
            return _("its attention has another mask than a window of tokens before each token")
        if call.window != call.window_argument:
            return _(
                "its mask has the window {window}, but its attention gets the window {argument}",
                window=call.window or _("all"),
                argument=call.window_argument or _("all"),
            )
    return None


_checked_models: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


def has_windows_of_cache(model: PreTrainedModel, ids: Tensor) -> bool:
    """Return whether each layer sees the window that the model's cache has for it.

    The answer for the first record that is longer than a window holds for all others.

    Args:
        model: Its attention can be replaced.
        ids: Tokens of a record, shape (T,).
    """
    if len(ids) <= _get_shortest_window(model):
        return True
    if model not in _checked_models:
        windows = [getattr(layer, "sliding_window", None) for layer in DynamicCache(config=model.config).layers]
        calls = record_attention(model, ids)
        _checked_models[model] = all(call.is_window for call in calls) and [call.window for call in calls] == [
            window if window and window < len(ids) else None for window in windows
        ]
    return _checked_models[model]


def _get_shortest_window(model: PreTrainedModel) -> float:
    """Return the smallest number in the configuration that may be a window."""
    config = model.config.get_text_config().to_dict()
    sizes = [
        value
        for name, value in config.items()
        if ("window" in name or "chunk" in name)
        and isinstance(value, int)
        and not isinstance(value, bool)
        and value > 0
    ]
    return min(sizes, default=float("inf"))
