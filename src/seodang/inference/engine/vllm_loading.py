"""Load a model in vLLM. vLLM is imported when a model is loaded; see requirements-vllm.txt."""

from __future__ import annotations

import atexit
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.process_guard import ProcessGuard
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.vllm_adapters import check_slots
from seodang.inference.engine.vllm_arguments import build_engine_arguments
from seodang.inference.engine.vllm_engine import SHUTDOWN_SECONDS, VllmEngine

_DETERMINISTIC: Final = "VLLM_BATCH_INVARIANT"
_START_METHOD: Final = "VLLM_WORKER_MULTIPROC_METHOD"


def load_vllm_engine(
    folder: Path,
    stop_ids: Collection[int],
    adapters: Mapping[str, Path] | None = None,
    limits: Limits | None = None,
    *,
    deterministic: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> VllmEngine:
    """Return an engine that has loaded a packaged model. Its processes end with this one, however it ends.

    Args:
        folder: Of the packaged model.
        stop_ids: End tokens of the model.
        adapters: Folders of LoRA adapters by name.
        limits: Bounds; None for the standard ones.
        deterministic: Use vLLM's batch-invariant kernels, so that an answer does not depend on what else is
            running. They need a recent GPU.
        changes: As in build_engine_arguments().

    Raises:
        ModelError: If vLLM cannot load the model.
    """
    if deterministic:
        os.environ[_DETERMINISTIC] = "1"
    os.environ[_START_METHOD] = "spawn"  # a forked process would not have the guard's mark
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    limits, adapters = limits or Limits(), adapters or {}
    arguments = build_engine_arguments(folder, adapters, limits, changes or {})
    if current_platform.is_cpu():
        check_slots(len(adapters), arguments.get("max_loras", 0))
    guard = ProcessGuard.start()
    try:
        engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        guard.end()
        raise ModelError(_("vLLM cannot load {folder}: {error}", folder=folder, error=error)) from error
    atexit.register(
        engine.shutdown, SHUTDOWN_SECONDS
    )  # at an exit without close(); the guard ends what a killed process leaves
    return VllmEngine(engine, stop_ids, adapters, limits, guard)
