"""Load checkpoints: safetensors only, never code from a model folder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from seodang.errors import ModelError


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a checkpoint; without a pad token it pads with one that is never learned.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer that can be read: {error}; run: dvc repro --force base") from error
    return tokenizer


def load_model(folder: Path, precision: str, device: str) -> PreTrainedModel:
    """Return the model of a checkpoint, ready to answer.

    Args:
        precision: "fp32" or "bf16".

    Raises:
        ModelError: If it cannot be read.
    """
    transformers_logging.disable_progress_bar()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no model that can be read: {error}; run: dvc repro --force base") from error
    model.to(device)  # type: ignore[arg-type]
    model.eval()
    return model
