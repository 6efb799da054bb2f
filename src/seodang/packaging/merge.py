"""Merge what was learned into its base, and prove that the merged model answers the same."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from seodang.io.atomic import replace_folder
from seodang.models.adapters import is_full_model, load_adapter
from seodang.models.checkpoints import copy_trusted_code
from seodang.models.loading import count_parameters, load_tokenizer
from seodang.packaging.model_folder import load_inference_model

_FP32_BYTES = 4


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write base plus adapter as one model, with the base's tokenizer, to `out`.

    In fp32 on the CPU, because a delta added in bf16 loses most of its bits. Tied
    embeddings stay tied. An adapter that was trained over a base in four bits goes
    onto the exact base. A whole model (method full) has nothing to merge and is
    written as it is. The folder appears whole or not at all.

    Raises:
        ModelError: If base or adapter cannot be loaded.
        ArtefactError: If there is no adapter.

    """
    tokenizer = load_tokenizer(base)
    merged = merge_adapter(load_tuned_model(base, adapter))
    with replace_folder(out) as staging:
        merged.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        copy_trusted_code(base, staging)


def compute_merged_size(base: Path, adapter: Path) -> int:
    """Return the bytes of the weights that `merge` will write; none is loaded.

    Raises:
        ModelError: If the weights cannot be read.
        ArtefactError: If there is no adapter.

    """
    weights = adapter if is_full_model(adapter) else base
    return _FP32_BYTES * count_parameters(weights, str(weights))


def load_tuned_model(base: Path, adapter: Path) -> PeftModel | PreTrainedModel:
    """Return base plus adapter, or the whole model that was trained, as it will be served: fp32, on the CPU, plain decoding."""
    return (
        load_inference_model(adapter, "cpu")
        if is_full_model(adapter)
        else load_adapter(load_inference_model(base, "cpu"), adapter)
    )


def merge_adapter(tuned: PeftModel | PreTrainedModel) -> PreTrainedModel:
    """Return the model with the adapter merged into its weights; a model without an adapter as it is."""
    merged: PreTrainedModel = tuned.merge_and_unload(safe_merge=True) if isinstance(tuned, PeftModel) else tuned
    return merged
