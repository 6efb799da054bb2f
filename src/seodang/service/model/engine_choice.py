"""Load the engine that SEODANG_ENGINE names: transformers, or vLLM where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.inference.engine.contract import Engine
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.models.device import choose_device
from seodang.models.loading import load_tokenizer
from seodang.models.stop_tokens import get_stop_ids, join_stop_ids, read_declared_stop_ids
from seodang.packaging.model_folder import Manifest, load_inference_model
from seodang.service.settings import read_seconds

EngineName = Literal["transformers", "vllm"]
ENGINE: Final = "SEODANG_ENGINE"
VLLM_ARGUMENTS: Final = "SEODANG_VLLM_ARGS"
STEP_SECONDS: Final = "SEODANG_STEP_SECONDS"
_MIN_STEP_SECONDS: Final = 1.0
_MAX_STEP_SECONDS: Final = 86_400.0
_SHARED_MEMORY: Final = 0.45
"""Part of the device's memory for each of two engines; vLLM's default for one is 0.92."""
_EXAMPLE: Final = '{"dtype": "bfloat16"}'


def choose_engine(environment: Mapping[str, str] = os.environ) -> EngineName:
    """Return the name of the engine.

    Raises:
        SeodangError: If there is no such engine, it is not installed, or its bounds or arguments have an error.
    """
    read_engine_limits(environment)
    name = environment.get(ENGINE) or "transformers"
    if name not in get_args(EngineName):
        raise SeodangError(
            _("{variable} must be one of {names}", variable=ENGINE, names=", ".join(get_args(EngineName)))
        )
    if name == "vllm":
        if importlib.util.find_spec("vllm") is None:
            raise SeodangError(
                _(
                    "{variable}=vllm needs vLLM, which this environment does not have. It needs an environment of its"
                    " own: pip install -r requirements-vllm.txt",
                    variable=ENGINE,
                )
            )
        read_vllm_arguments(environment)
        return "vllm"
    return "transformers"


def read_vllm_arguments(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the arguments of vLLM's AsyncEngineArgs that SEODANG_VLLM_ARGS sets.

    Raises:
        SeodangError: If the variable is no JSON object.
    """
    try:
        arguments = json.loads(environment.get(VLLM_ARGUMENTS) or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise SeodangError(
            _("{variable} must be a JSON object, such as {example}", variable=VLLM_ARGUMENTS, example=_EXAMPLE)
        )
    return arguments


def read_engine_limits(environment: Mapping[str, str] = os.environ) -> Limits:
    """Return the bounds of an engine: SEODANG_STEP_SECONDS, 1 to 86,400, changes the time of a step.

    Raises:
        SeodangError: If the variable is no such number.
    """
    seconds = read_seconds(
        STEP_SECONDS,
        default=Limits().step_seconds,
        minimum=_MIN_STEP_SECONDS,
        maximum=_MAX_STEP_SECONDS,
        environment=environment,
    )
    return Limits(step_seconds=seconds)


def load_vllm(folder: Path, stop_ids: Collection[int], adapters: Mapping[str, Path], *, is_alone: bool) -> Engine:
    """Return an engine on vLLM with the arguments and bounds of the environment.

    Args:
        folder: Of the model.
        stop_ids: Its end tokens.
        adapters: Folders of LoRA adapters by their names in the engine.
        is_alone: Whether the service has no other engine; two share the memory of the device.

    Raises:
        ModelError: If the model cannot be loaded.
    """
    from seodang.inference.engine.vllm_loading import load_vllm_engine

    changes = read_vllm_arguments()
    if not is_alone:
        changes = {"gpu_memory_utilization": _SHARED_MEMORY, **changes}
    return load_vllm_engine(folder, stop_ids, adapters, read_engine_limits(), changes=changes)


def load_engine(folder: Path, manifest: Manifest, *, is_alone: bool = True) -> Engine:
    """Return the engine of a packaged model, on the accelerator if there is one.

    Args:
        folder: Of the packaged model.
        manifest: Its manifest.
        is_alone: Whether no other models are served.

    Raises:
        ModelError: If the model cannot be loaded.
        SeodangError: As in choose_engine().
    """
    if choose_engine() == "vllm":
        tokenizer = load_tokenizer(folder)
        declared = read_declared_stop_ids(folder, tokenizer, len(tokenizer))
        return load_vllm(folder, join_stop_ids(manifest.end_id, declared), {}, is_alone=is_alone)
    weights = load_inference_model(folder, choose_device("auto"))
    return TransformersEngine(weights, get_stop_ids(weights, manifest.end_id), read_engine_limits())
