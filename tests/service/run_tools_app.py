"""Serve a model with tools. Run: python run_tools_app.py FOLDER PORT; the folder is a package in the chat format."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path

import torch
import uvicorn
from tests.service.tool_cases import HERMES
from transformers import Qwen3Config, Qwen3ForCausalLM

from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.packaging.chat_template import build_chat_template
from seodang.service.context import ServiceContext
from seodang.service.model.loading import load_context
from seodang.service.model.served_model import ServedModel
from seodang.service.web_app import create_app

CONTEXT_LENGTH = 2000


def create_engine(model: ServedModel) -> TransformersEngine:
    """Return the engine of an untrained model with room for the descriptions of tools."""
    torch.manual_seed(7)
    config = Qwen3Config(
        vocab_size=len(model.tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=CONTEXT_LENGTH,
        initializer_range=0.1,
    )
    return TransformersEngine(Qwen3ForCausalLM(config).eval(), [model.manifest.end_id])


def build_context(model: ServedModel, engine: TransformersEngine, own_template: str) -> ServiceContext:
    """Return a context with another chat template, as `package` writes it."""
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.chat_template = own_template
    tokenizer.chat_template = build_chat_template("chat", tokenizer, splits_input=False)
    manifest = model.manifest.model_copy(update={"max_new_tokens": 200})
    served = replace(model, tokenizer=tokenizer, manifest=manifest, context_length=CONTEXT_LENGTH)
    return ServiceContext(served, engine)


if __name__ == "__main__":
    model = load_context(Path(sys.argv[1]), "tiny:0123456789ab").model
    app = create_app(build_context(model, create_engine(model), HERMES))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
