"""Compare the loss that training computes with the model's own loss before training starts.

Training computes logits at label positions only, directly from the output layer, and replaces the attention of packed
records. Some architectures would silently train on another objective. They have another layer before the output layer,
scaled logits, another attention (sinks, windows) or positions that depend on the longest record. Therefore the shortest
and the longest records are computed both ways, and the losses of all their label tokens are compared.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _, ngettext
from seodang.inference.logits import compute_logits
from seodang.models.architecture import get_rope_boundary
from seodang.models.attention_probe import find_packing_problem
from seodang.models.loading import get_first_line
from seodang.training.causality import check_causality
from seodang.training.dataset import TokenizedDataset
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.kernels.chunked_loss import LossMode, patch_completion_loss
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.loss_tolerance import describe_difference
from seodang.training.packing import PackingConfig, build_micro_batch

logger = logging.getLogger(__name__)

_SHORTEST, _LONGEST = 3, 2  # records of the probe


# What layers raise for arguments, shapes or devices that they do not support.
_FORWARD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way to compute the loss."""

    packing: PackingConfig
    last_layer_kernel: bool
    full_logits: bool


@dataclass(frozen=True, slots=True)
class _Probe:
    """Records with the losses of their label tokens in the model's own forward pass."""

    examples: list[TokenizedExample]
    """In the order in which a packed micro-batch holds them."""
    losses: Tensor
    """In nats, of all label tokens in the order of the records, shape (L,)."""
    is_rope_mixed: bool
    """Whether some records of the dataset are longer than the boundary of the model's RoPE."""


def patch_and_verify_loss(
    model: PreTrainedModel, dataset: TokenizedDataset, packing: PackingConfig, *, last_layer_kernel: bool = True
) -> PackingConfig:
    """Patch the model's forward pass to the fastest loss that equals the model's own; return the packing it allows.

    The slowest way, tried last, is the model's own forward pass over one record at a time.

    Args:
        model: Changed in place; in evaluation mode, without an adapter.
        dataset: At least one example.
        packing: The configured packing.
        last_layer_kernel: Whether the last layer computes label positions only.

    Raises:
        ModelError: If no way gives the model's own loss, or the model cannot compute its own.
    """
    probe = _build_probe(model, dataset)
    attention = model.config._attn_implementation
    mode = patch_completion_loss(model, last_layer_kernel=last_layer_kernel)
    candidates = list(_iter_candidates(packing, mode))
    reasons: dict[_Candidate, str] = {}
    for candidate in candidates:
        mode.full_logits, mode.last_layer_kernel = candidate.full_logits, candidate.last_layer_kernel
        reason = _find_difference(model, probe, candidate)
        if reason is None:
            _warn_about_fallback(candidates[0], candidate, reasons)
            return candidate.packing
        reasons[candidate] = reason
        if candidate.packing.packed:
            model.set_attn_implementation(attention)
    raise ModelError(
        _(
            "training does not compute the own loss of the architecture {architecture} on {records}: {reason}; it"
            " is not supported: choose another base, and please report this",
            records=ngettext("{count:,} record", "{count:,} records", len(probe.examples)),
            reason=reasons[candidates[-1]],
            architecture=model.config.model_type,
        )
    )


def _iter_candidates(packing: PackingConfig, mode: LossMode) -> Iterator[_Candidate]:
    """Yield the ways to compute the loss, the fastest first."""
    padded = replace(packing, packed=False, share_prefixes=False)
    layouts = [packing, padded, replace(padded, single_records=True)]
    for layout in dict.fromkeys(layouts):
        if mode.last_layer_kernel:
            yield _Candidate(layout, last_layer_kernel=True, full_logits=False)
        yield _Candidate(layout, last_layer_kernel=False, full_logits=False)
        yield _Candidate(layout, last_layer_kernel=False, full_logits=True)


def _build_probe(model: PreTrainedModel, dataset: TokenizedDataset) -> _Probe:
    """Return the shortest and the longest records with their own losses."""
    order = sorted(range(len(dataset)), key=lambda index: (int(dataset.lengths[index]), index))
    indices = sorted({*order[:_SHORTEST], *order[-_LONGEST:]})
    examples = sorted((dataset[index] for index in indices), key=lambda example: example.ids.astype(">i4").tobytes())
    boundary = get_rope_boundary(model.config)
    try:
        losses = torch.cat([_compute_reference_losses(model, example) for example in examples])
    except torch.OutOfMemoryError:  # says nothing of the architecture
        raise
    except _FORWARD_ERRORS as error:
        raise ModelError(
            _(
                "the forward pass of the architecture {architecture} fails on a record of the training split: {error};"
                " choose another base",
                architecture=model.config.model_type,
                error=get_first_line(error),
            )
        ) from error
    longest = max(examples, key=lambda example: len(example.ids))
    check_causality(model, torch.from_numpy(longest.ids[:-1].astype("int64")).to(model.device))
    return _Probe(examples, losses, boundary is not None and int(dataset.lengths.max()) - 1 > boundary)


@torch.no_grad()
def _compute_reference_losses(model: PreTrainedModel, example: TokenizedExample) -> Tensor:
    """Return the losses of a record's label tokens in nats, by the unchanged model, over this record alone."""
    ids = torch.from_numpy(example.ids.astype("int64")).to(model.device)
    positions = example.loss_mask[1:].nonzero()[0].tolist()
    logits = compute_logits(model, positions, input_ids=ids[None, :-1], use_cache=False)[0]
    targets = ids[1:].index_select(0, torch.tensor(positions, device=ids.device))
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")


def _find_difference(model: PreTrainedModel, probe: _Probe, candidate: _Candidate) -> str | None:
    """Return how a way to compute the loss differs from the model's own; None if it does not."""
    packing = candidate.packing
    if probe.is_rope_mixed and not packing.single_records:
        return _("its rotary positions depend on the longest record of a micro-batch")
    try:
        if packing.packed:
            longest = max(probe.examples, key=lambda example: len(example.ids))
            ids = torch.from_numpy(longest.ids[:-1].astype("int64"))
            if (problem := find_packing_problem(model, ids)) is not None:
                return problem
            use_packed_attention(model)
        losses, total = _compute_losses(model, probe.examples, packing)
    except torch.OutOfMemoryError:
        raise
    except _FORWARD_ERRORS as error:
        return f"{type(error).__name__}: {get_first_line(error)}"
    return describe_difference(losses, total, probe.losses, model.dtype)


@torch.no_grad()
def _compute_losses(
    model: PreTrainedModel, examples: Sequence[TokenizedExample], packing: PackingConfig
) -> tuple[Tensor, float]:
    """Return the losses of all label tokens, and their sum as training computes it."""
    parts = [[example] for example in examples] if packing.single_records else [examples]
    losses, total = [], 0.0
    for part in parts:
        micro_batch = build_micro_batch(part, packing).to(model.device)
        logits = model(**micro_batch.build_inputs(include_targets=False)).logits
        losses.append(torch.nn.functional.cross_entropy(logits.float(), micro_batch.targets, reduction="none"))
        total += float(model(**micro_batch.build_inputs()).loss)
    return torch.cat(losses), total


def _warn_about_fallback(first: _Candidate, used: _Candidate, reasons: dict[_Candidate, str]) -> None:
    """Log what is computed in a slower way, and why."""
    reason_of_layout = next(
        (text for candidate, text in reasons.items() if candidate.packing.packed or not first.packing.packed), ""
    )
    if used.packing.single_records:
        logger.warning(
            _(
                "each record is computed by itself, which is slower, because the records of a micro-batch would change"
                " each other in this model: {reason}",
                reason=reason_of_layout,
            )
        )
    elif first.packing.packed and not used.packing.packed:
        logger.warning(
            _(
                "train.packing is true, but records cannot be packed in this model: {reason}; rows are padded instead",
                reason=reason_of_layout,
            )
        )
    if used.full_logits:
        logger.warning(
            _(
                "this architecture computes its logits by more than its output layer; they are computed at every token,"
                " which takes more memory"
            )
        )
