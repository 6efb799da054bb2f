"""Tiny random models of many architectures, for architectures.py."""

from __future__ import annotations

import inspect
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VOCABULARY = 97
MAX_PARAMETERS = 20_000_000
_HEADS = {"num_attention_heads": 4, "n_head": 4, "num_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
_LAYERS = dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"), 4)
_WIDTHS = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("intermediate_size", "intermediate_size_mlp", "ffn_dim", "dff"), 48),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 24),
    **dict.fromkeys(("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 128),
}
_WINDOWS = {
    **dict.fromkeys(("sliding_window", "attention_window_size", "attention_chunk_size", "window_size"), 6),
    "use_sliding_window": True,
    "max_window_layers": 2,
}
_EXPERTS = {
    **dict.fromkeys(("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 4),
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_layer_start_index": 1,
    "first_k_dense_replace": 1,
}
_NO_DROPOUT = dict.fromkeys(
    (
        *("resid_pdrop", "embd_pdrop", "attn_pdrop", "attention_dropout", "hidden_dropout", "dropout"),
        *("activation_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "layerdrop"),
    ),
    0.0,
)
SIZES = {
    "vocab_size": VOCABULARY,
    **_HEADS,
    **_LAYERS,
    **_WIDTHS,
    **_WINDOWS,
    **_EXPERTS,
    **_NO_DROPOUT,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.2,
    "q_lora_rank": None,
    "is_decoder": True,
}
# Settings of architectures that cannot be built with the sizes above; the second entry: layers that get an adapter.
SPECIAL: dict[str, tuple[dict[str, Any], list[str]]] = {
    "dbrx": ({"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0}}, ["all-linear"]),
    "falcon_mamba": ({}, ["in_proj", "x_proj"]),
    "gemma4_text": (
        {
            "vocab_size_per_layer_input": VOCABULARY,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "global_head_dim": 8,
            "num_global_key_value_heads": 2,
        },
        ["all-linear"],
    ),
    "gpt_neo": ({"attention_types": [[["global", "local"], 2]]}, ["all-linear"]),
    "mamba": ({}, ["in_proj", "x_proj"]),
    "mamba2": (
        {"num_heads": 8, "expand": 2, "n_groups": 1, "state_size": 8, "num_hidden_layers": 2},
        ["in_proj"],
    ),
    **{
        name: ({"num_key_value_heads": 4}, ["o_proj"])
        for name in ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "minicpm3", "youtu")
    },
    **{name: ({}, ["q_proj", "v_proj", "o_proj"]) for name in ("phimoe", "qwen2_moe", "qwen3_moe", "mimo_v2_flash")},
}


def build_model(kind: str, **changes: Any) -> PreTrainedModel:
    """Return a tiny random model in evaluation mode.

    Args:
        kind: Its model type.
        changes: Settings of its configuration.

    Raises:
        ValueError: If it has too many parameters; other errors come from transformers.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[kind]
    known = {*getattr(config_class, "__dataclass_fields__", {}), *inspect.signature(config_class.__init__).parameters}
    aliases = getattr(config_class, "attribute_map", {})
    settings = {**SIZES, **SPECIAL.get(kind, ({}, []))[0], **changes}
    config = config_class(
        **{
            name: value
            for name, value in settings.items()
            if name in known or name in aliases.values() or aliases.get(name) in known
        }
    )
    with torch.device("meta"):
        if AutoModelForCausalLM.from_config(config).num_parameters() > MAX_PARAMETERS:
            raise ValueError("too many parameters")
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    for name, weight in model.named_parameters():  # norms, biases and sinks are not trivial
        if weight.ndim == 1:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) % 1000)
            weight.data.add_(torch.randn(weight.shape, generator=generator) * 0.1)
    model.eval()
    return model
