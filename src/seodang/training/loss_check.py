"""Compare the loss that training computes with the model's own loss before training starts.

Training computes logits at label positions only, directly from the output layer, and replaces the attention of packed
records. An architecture with another layer before its output layer, with scaled logits or with further arguments of
its attention (sinks) would silently train on another objective. Therefore a few records are computed both ways.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.training.dataset import TokenizedDataset
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.kernels.chunked_loss import LossMode, patch_completion_loss
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.packing import PackingConfig, build_micro_batch

logger = logging.getLogger(__name__)

_PROBE_SIZE = 3  # shortest records: their full logits exist for a moment
_TOLERANCE = {torch.float32: 1e-3}  # relative; half precisions round each operation
_HALF_TOLERANCE = 3e-2


def patch_and_verify_loss(
    model: PreTrainedModel, dataset: TokenizedDataset, packing: PackingConfig, *, last_layer_kernel: bool = True
) -> PackingConfig:
    """Patch the model's forward pass to the fastest loss that equals the model's own; return the packing it allows.

    Args:
        model: Changed in place; in evaluation mode, without an adapter.
        dataset: At least one example.
        packing: The configured packing.
        last_layer_kernel: Whether the last layer computes label positions only.

    Raises:
        ModelError: If no implementation gives the model's own loss.
    """
    probe = _select_probe(dataset)
    reference = _compute_reference_loss(model, probe)
    mode = patch_completion_loss(model, last_layer_kernel=last_layer_kernel)
    padding_config = replace(packing, packed=False, share_prefixes=False)
    _choose_loss_mode(model, mode, probe, padding_config, reference)
    if not packing.packed:
        return packing
    attention = model.config._attn_implementation
    use_packed_attention(model)
    if _is_close(model, _compute_loss(model, probe, packing), reference):
        return packing
    model.set_attn_implementation(attention)
    logger.warning(
        _(
            "train.packing is true, but this model's attention uses more than the tokens of a record, so records cannot"
            " be packed; rows are padded instead"
        )
    )
    return padding_config


def _choose_loss_mode(
    model: PreTrainedModel, mode: LossMode, probe: Sequence[TokenizedExample], packing: PackingConfig, reference: float
) -> None:
    if _is_close(model, loss := _compute_loss(model, probe, packing), reference):
        return
    mode.full_logits = True
    if _is_close(model, _compute_loss(model, probe, packing), reference):
        logger.warning(
            _(
                "this architecture computes its logits by more than its output layer; they are computed at every token,"
                " which takes more memory"
            )
        )
        return
    raise ModelError(
        _(
            "the loss of {count} records is {reference:.4f} in the model's own forward pass, but {loss:.4f} in training:"
            " the architecture {architecture} is not supported; choose another base, and please report this",
            count=len(probe),
            reference=reference,
            loss=loss,
            architecture=model.config.model_type,
        )
    )


def _select_probe(dataset: TokenizedDataset) -> list[TokenizedExample]:
    shortest = sorted(range(len(dataset)), key=lambda index: (int(dataset.lengths[index]), index))[:_PROBE_SIZE]
    return [dataset[index] for index in shortest]


@torch.no_grad()
def _compute_reference_loss(model: PreTrainedModel, probe: Sequence[TokenizedExample]) -> float:
    """Return the sum of the losses in nats, record by record, from the full logits of the unchanged model."""
    total = 0.0
    for example in probe:
        ids = torch.from_numpy(example.ids.astype("int64")).to(model.device)
        positions = torch.from_numpy(example.loss_mask[1:].nonzero()[0]).to(model.device)
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0].index_select(0, positions)
        total += float(
            torch.nn.functional.cross_entropy(logits.float(), ids[1:].index_select(0, positions), reduction="sum")
        )
    return total


@torch.no_grad()
def _compute_loss(model: PreTrainedModel, probe: Sequence[TokenizedExample], packing: PackingConfig) -> float:
    return float(model(**build_micro_batch(probe, packing).to(model.device).build_inputs()).loss)


def _is_close(model: PreTrainedModel, loss: float, reference: float) -> bool:
    tolerance = _TOLERANCE.get(model.dtype, _HALF_TOLERANCE)
    return abs(loss - reference) <= tolerance * max(1.0, abs(reference))
