"""The loss that training uses, held against the model's own before anything is learned.

Training reads logits at few places, through the head alone, and lets packed records attend apart by an attention of its
own. An architecture that puts another layer before its head, changes its logits, or hands attention something of its own
(sinks) would so be trained on another objective, and nothing would tell. So a few records are read both ways.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.training.dataset import TokenizedDataset, TokenizedExample
from seodang.training.kernels.chunked_loss import LossMode, patch_completion_loss
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.packing import PackingConfig, build_micro_batch

logger = logging.getLogger(__name__)

_PROBE_SIZE = 3  # the shortest: all logits of theirs exist for a moment
_TOLERANCE = {torch.float32: 1e-3}  # relative; half precisions round each step
_HALF_TOLERANCE = 3e-2


def patch_and_verify_loss(model: PreTrainedModel, dataset: TokenizedDataset, packing: PackingConfig) -> PackingConfig:
    """Let the model learn answers (`learn_answers`, `use_packed_attention`) by the quickest way that gives its own loss; return the layout for it.

    Args:
        model: Changed in place; in evaluation mode, without an adapter.
        lessons: At least one.
        layout: The one that is asked for.

    Raises:
        ModelError: If no way gives the model's own loss.
    """
    probe = _select_probe(dataset)
    reference = _compute_reference_loss(model, probe)
    mode = patch_completion_loss(model)
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
        "train.packing is on, but this model's attention knows more than which tokens belong to a record; rows are padded instead"
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
            "this architecture does more than its output layer to get its logits; they are computed at every token, which takes more memory"
        )
        return
    raise ModelError(
        f"the loss of {len(probe)} records is {reference:.4f} by the model's own forward pass, but {loss:.4f} as training computes it: "
        f"architecture {model.config.model_type} is not supported; please report it"
    )


def _select_probe(dataset: TokenizedDataset) -> list[TokenizedExample]:
    shortest = sorted(range(len(dataset)), key=lambda number: (int(dataset.lengths[number]), number))[:_PROBE_SIZE]
    return [dataset[number] for number in shortest]


@torch.no_grad()
def _compute_reference_loss(model: PreTrainedModel, probe: Sequence[TokenizedExample]) -> float:
    """Return the sum of the losses in nats, record by record, from all logits of the unchanged model."""
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
