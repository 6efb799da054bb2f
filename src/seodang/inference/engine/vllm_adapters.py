"""LoRA adapters for vLLM. vLLM itself is not imported here, so that settings are checked before anything is loaded.

Read against vLLM 0.32.0: vllm/lora/peft_helper.py and vllm/lora/utils.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from seodang.errors import ModelError
from seodang.i18n import _

_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for max_lora_rank."""
_UNSUPPORTED: Final = (
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "layer_replication",
    "use_bdlora",
    "use_qalora",
    "arrow_config",
)
"""Settings of PEFT that vLLM refuses or does not read."""


def check_adapter(folder: Path) -> None:
    """Check that vLLM computes an adapter as PEFT does.

    Args:
        folder: Of the adapter.

    Raises:
        ModelError: With the settings that vLLM does not have, or its rank.
    """
    settings = _read_settings(folder)
    names = [name for name in _UNSUPPORTED if settings.get(name)]
    if settings.get("bias", "none") != "none":
        names.append("bias")
    if names:
        raise ModelError(_("vLLM computes no adapters with {settings}", settings=", ".join(names)))
    _round_up_rank(_get_rank(settings))


def build_lora_arguments(folders: Iterable[Path], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of vLLM's AsyncEngineArgs for adapters.

    All adapters stay in memory. Otherwise vLLM would read one again from a folder that may have changed.

    Args:
        folders: Of all adapters; none for a model without.
        changes: Arguments of the user, which replace these.

    Raises:
        ModelError: If vLLM does not take the rank of an adapter, or the changes have too few places.
    """
    settings = [_read_settings(folder) for folder in folders]
    if not settings:
        return {}
    rank = max(map(_get_rank, settings))
    slots = int(changes.get("max_loras") or len(settings) + 1)  # one is empty; see check_slots()
    limits = {
        "max_loras": slots,
        "max_lora_rank": _round_up_rank(rank),
        "max_cpu_loras": max(len(settings), slots),
    }
    limits |= {name: changes[name] for name in limits if changes.get(name) is not None}
    for name, needed in (("max_lora_rank", rank), ("max_cpu_loras", len(settings))):
        if limits[name] < needed:
            raise ModelError(
                _("{name} is {value}, but the adapters need {needed}", name=name, value=limits[name], needed=needed)
            )
    return {"enable_lora": True, **limits}


def check_slots(count: int, slots: int) -> None:
    """Check that vLLM's build for CPUs has an empty slot, after those of the adapters.

    Its kernels number requests without an adapter -1, and read the weights of the last slot for them (vLLM 0.32.0:
    vllm/lora/ops/torch_ops). Beside requests of adapters, the base would answer with the weights of one of them. An
    empty slot has weights of 0. The kernels for GPUs leave such requests out.

    Args:
        count: Number of adapters; 0 for a model without.
        slots: Value of max_loras.

    Raises:
        ModelError: If all slots may be in use.
    """
    if count and slots <= count:
        raise ModelError(
            _("{name} is {value}, but the adapters need {needed}", name="max_loras", value=slots, needed=count + 1)
        )


def _read_settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    return settings


def _get_rank(settings: Mapping[str, Any]) -> int:
    return max(int(settings["r"]), *map(int, (settings.get("rank_pattern") or {}).values()), 0)


def _round_up_rank(rank: int) -> int:
    if rank > _RANKS[-1]:
        raise ModelError(_("an adapter has rank {rank}, but vLLM takes {limit} at most", rank=rank, limit=_RANKS[-1]))
    return next(allowed for allowed in _RANKS if allowed >= rank)
