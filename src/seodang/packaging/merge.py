"""Merge an adapter into its base."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from seodang.io.atomic import replace_folder
from seodang.models.adapters import is_full_model, load_adapter
from seodang.models.checkpoints import copy_trusted_code
from seodang.models.compatibility import count_parameters
from seodang.models.loading import load_tokenizer
from seodang.packaging.model_folder import load_inference_model

_FP32_BYTES = 4


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write base plus adapter as one model, with the base's tokenizer, to `out`.

    The merge runs in fp32 on the CPU, because a delta added in bf16 loses most of its
    bits. Tied embeddings stay tied. An adapter that was trained on a 4-bit base is
    added to the exact base. A full model (method full) needs no merge and is written
    unchanged. The folder is written completely or not at all.

    Args:
        base: Folder of the base.
        adapter: Folder that training wrote: an adapter or a full model.
        out: Target folder.

    Raises:
        ModelError: If base or adapter cannot be loaded.
        ArtifactError: If the folder has neither an adapter nor a full model.

    """
    tokenizer = load_tokenizer(base)
    merged = merge_adapter(load_tuned_model(base, adapter))
    with replace_folder(out) as staging:
        merged.save_pretrained(staging)
        tokenizer.save_pretrained(staging)
        copy_trusted_code(base, staging)


def compute_merged_size(base: Path, adapter: Path) -> int:
    """Return the size in bytes of the weights that `merge` writes, without loading them.

    Raises:
        ModelError: If the weights cannot be read.
        ArtifactError: If the folder has neither an adapter nor a full model.

    """
    weights = adapter if is_full_model(adapter) else base
    return _FP32_BYTES * count_parameters(weights, str(weights))


def load_tuned_model(base: Path, adapter: Path) -> PeftModel | PreTrainedModel:
    """Return base plus adapter, or the full model: in fp32, on the CPU, with greedy decoding."""
    return (
        load_inference_model(adapter, "cpu")
        if is_full_model(adapter)
        else load_adapter(load_inference_model(base, "cpu"), adapter)
    )


def merge_adapter(tuned: PeftModel | PreTrainedModel) -> PreTrainedModel:
    """Return the model with the adapter merged into its weights; a model without an adapter is returned unchanged."""
    merged: PreTrainedModel = tuned.merge_and_unload(safe_merge=True) if isinstance(tuned, PeftModel) else tuned
    return merged
