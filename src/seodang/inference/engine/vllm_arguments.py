"""The arguments with which vLLM is started. vLLM itself is not imported here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.vllm_adapters import build_lora_arguments
from seodang.inference.engine.vllm_signals import EXTENSION

MAX_LOGPROBS: Final = 20  # as OpenAI's interface
_SHUTDOWN_SECONDS: Final = 3600
"""SIGTERM and Ctrl-C reach vLLM's processes, too. They must not cut requests that the service lets finish before."""


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
        ModelError: As in build_lora_arguments().
    """
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
        **changes,
        "worker_extension_cls": EXTENSION,
        **build_lora_arguments(adapters.values(), changes),
    }
