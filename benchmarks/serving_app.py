"""Seodang's service and its engine alone, as serving.py runs them in processes of their own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import uvicorn
from engine import answer_with_clients, make_request
from transformers import GenerationConfig

from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.models.device import choose_device
from seodang.models.loading import load_tokenizer
from seodang.models.stop_tokens import get_stop_ids
from seodang.packaging.model_folder import load_inference_model, read_manifest
from seodang.service.model.loading import load_context
from seodang.service.model.served_model import Conversation, ServedModel
from seodang.service.telemetry.json_log import set_up_json_log
from seodang.service.web_app import create_app

TAG = "benchmark:1"


def serve(folder: str, port: int, max_running: int) -> None:
    """Serve a packaged model; with `max_running` 1 the engine computes one request at a time, as it did before."""
    set_up_json_log()
    context = load_context(Path(folder), TAG)
    if max_running == 1:
        engine: Any = context.engine
        asyncio.run(engine.close(0))
        stop_ids = get_stop_ids(engine._model, context.model.manifest.end_id)
        context = replace(context, engine=TransformersEngine(engine._model, stop_ids, Limits(max_running=1)))
    uvicorn.run(create_app(context), host="127.0.0.1", port=port, log_level="warning")


def measure(folder: str, new_tokens: int) -> None:
    """Answer texts, a JSON list on stdin, one after the other; print the seconds of each answer, [wall, CPU].

    `generate` is transformers' own loop, and `engine` Seodang's engine without HTTP. They alternate.
    """
    prompts = _encode(Path(folder), json.loads(input()))
    model = load_inference_model(Path(folder), choose_device("auto"))
    seconds: dict[str, list[list[float]]] = {"generate": [], "engine": []}

    async def run() -> None:
        engine = TransformersEngine(model, [])
        for prompt in [prompts[0], *prompts]:  # the first one warms up
            request = make_request(prompt, new_tokens, model.config.vocab_size)
            started = (time.perf_counter(), time.process_time())
            await answer_with_clients(engine, [request], 1)
            seconds["engine"].append(_read_clocks(started))
            started = (time.perf_counter(), time.process_time())
            _generate(model, prompt, new_tokens)
            seconds["generate"].append(_read_clocks(started))
        await engine.close(0)

    asyncio.run(run())
    print(json.dumps({name: values[1:] for name, values in seconds.items()}))


def _encode(folder: Path, texts: Sequence[str]) -> list[list[int]]:
    model = ServedModel(load_tokenizer(folder), read_manifest(folder), None, TAG)
    return [model.encode_conversation(Conversation(text)) for text in texts]


def _generate(model: Any, prompt: Sequence[int], new_tokens: int) -> None:
    config = GenerationConfig(
        max_new_tokens=new_tokens, do_sample=False, eos_token_id=model.config.vocab_size, pad_token_id=0
    )
    ids = torch.tensor([list(prompt)], device=model.device)
    with torch.inference_mode():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)


def _read_clocks(started: tuple[float, float]) -> list[float]:
    return [time.perf_counter() - started[0], time.process_time() - started[1]]
