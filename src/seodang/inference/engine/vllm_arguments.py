"""The arguments with which vLLM is started. vLLM itself is not imported here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.scheduler import Limits

MAX_LOGPROBS: Final = 20  # as OpenAI's interface
_SHUTDOWN_SECONDS: Final = 3600
"""SIGTERM and Ctrl-C reach vLLM's processes, too. They must not cut requests that the service lets finish before."""
_LORA_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for max_lora_rank."""


def build_engine_arguments(
    folder: Path, adapters: Mapping[str, Path], limits: Limits, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of vLLM's AsyncEngineArgs.

    Weights are computed in fp32, as they were evaluated; vLLM alone would choose half precision.

    Args:
        folder: Of the packaged model.
        adapters: Folders of LoRA adapters by name.
        limits: Bounds of the engine.
        changes: Arguments that replace these, such as dtype or tensor_parallel_size.

    Raises:
        ModelError: If vLLM does not take the rank of an adapter.
    """
    lora: dict[str, Any] = {}
    if adapters:
        ranks = [int(json.loads((path / "adapter_config.json").read_text("utf-8"))["r"]) for path in adapters.values()]
        lora = {"enable_lora": True, "max_loras": len(adapters), "max_lora_rank": _round_up_rank(max(ranks))}
    return {
        "model": str(folder),
        "dtype": "float32",
        "max_num_seqs": limits.max_running,
        "max_logprobs": MAX_LOGPROBS,
        "logprobs_mode": "raw_logprobs",  # before penalties and temperature
        "generation_config": "vllm",  # no settings of the checkpoint beside those of a request
        "disable_log_stats": True,
        "structured_outputs_config": {"backend": "guidance"},  # llguidance, as in the engine on transformers
        "shutdown_timeout": _SHUTDOWN_SECONDS,
        **lora,
        **changes,
    }


def _round_up_rank(rank: int) -> int:
    if rank > _LORA_RANKS[-1]:
        raise ModelError(
            _("an adapter has rank {rank}, but vLLM takes {limit} at most", rank=rank, limit=_LORA_RANKS[-1])
        )
    return next(allowed for allowed in _LORA_RANKS if allowed >= rank)
