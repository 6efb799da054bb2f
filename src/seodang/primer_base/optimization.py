"""Train the decoder of the primer base on a CPU.

The module has its own training loop for two reasons. Muon for the matrices needs a second optimizer. On a small machine
the Trainer's overhead costs as much as the optimizer step.
Muon: Jordan et al. 2024. Learning-rate schedule (warm-up, stable, linear decay): Hu et al. 2024 (MiniCPM).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM

from seodang.config.model import OptimizationParams

_HEAD_ROWS = 256  # 256 x 6144 logits have 6 MB and stay in the cache


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences of token ids with the weight of each token in the loss."""

    ids: Tensor
    """int64, shape (batch, sequence)."""
    weights: Tensor
    """fp32, shape (batch, sequence); the loss is the weighted sum over all tokens but the first of each sequence."""


def pack_documents(documents: Sequence[Sequence[int]], end: int, length: int, rng: random.Random) -> Tensor:
    """Return the documents in random order, each with an end token, packed into rows.

    Returns:
        int64 tensor of shape (rows, length); an incomplete last row is dropped.
    """
    order = list(range(len(documents)))
    rng.shuffle(order)
    stream = [token for index in order for token in (*documents[index], end)]
    rows = len(stream) // length
    return torch.tensor(stream[: rows * length], dtype=torch.int64).view(rows, length)


def iter_rows(
    documents: Callable[[int], Sequence[Sequence[int]]], end: int, length: int, seed: int
) -> Iterator[Tensor]:
    """Yield packed rows of `length` tokens forever; `documents` gives the documents of each epoch."""
    epoch = 0
    while True:
        yield from pack_documents(documents(epoch), end, length, random.Random(f"{seed}/{epoch}"))
        epoch += 1


def iter_batches(rows: Iterator[Tensor], batch_size: int) -> Iterator[Batch]:
    """Yield batches of rows forever, in which all predicted tokens weigh the same."""
    while True:
        ids = torch.stack([next(rows) for _ in range(batch_size)])
        yield Batch(ids, torch.full(ids.shape, 1 / (ids.shape[0] * (ids.shape[1] - 1))))


def compute_lr_factor(step: int, recipe: OptimizationParams) -> float:
    """Return the ratio of the peak learning rate at a step: linear warm-up, plateau, linear decay to 0."""
    decay = max(1, int(recipe.steps * recipe.decay_ratio))
    rise = (step + 1) / max(1, recipe.warmup_steps)
    fall = (recipe.steps - step) / decay
    return max(0.0, min(1.0, rise, fall))


def _create_optimizers(model: nn.Module, recipe: OptimizationParams) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


class _HeadLoss(torch.autograd.Function):
    """Weighted cross-entropy of a tied output head, computed in blocks of rows.

    The logits of a batch would need several tensors of shape (tokens, vocabulary).
    Here each block's gradient is computed in place, so only one block exists at a time.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, label_weights: Tensor) -> Tensor:
        """Return the loss in nats; hidden (N, H), weight (V, H), labels (N,), label_weights (N,)."""
        hidden_grad, weight_grad = torch.empty_like(hidden), torch.zeros_like(weight)
        weight_bf16, total = weight.bfloat16(), 0.0
        for start in range(0, len(labels), _HEAD_ROWS):
            rows = slice(start, start + _HEAD_ROWS)
            states, targets, shares = hidden[rows].bfloat16(), labels[rows, None], label_weights[rows, None]
            logits = (states @ weight_bf16.T).float()
            logits -= logits.amax(dim=1, keepdim=True)
            target_logits = logits.gather(1, targets)
            sums = logits.exp_().sum(dim=1, keepdim=True)
            total += float(((sums.log() - target_logits) * shares).sum())
            logits.div_(sums).scatter_add_(1, targets, torch.full_like(target_logits, -1.0)).mul_(shares)
            gradient = logits.bfloat16()
            hidden_grad[rows] = gradient @ weight_bf16
            weight_grad += (gradient.T @ states).float()
        ctx.save_for_backward(hidden_grad, weight_grad)
        return torch.tensor(total)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of the forward pass, which computed them."""
        hidden_grad, weight_grad = ctx.saved_tensors
        return hidden_grad * gradients[0], weight_grad * gradients[0], None, None


def _compute_loss(model: Qwen3ForCausalLM, batch: Batch) -> Tensor:
    """Return the weighted next-token loss; the head reads only tokens that have a weight."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=batch.ids, use_cache=False).last_hidden_state[:, :-1]
    weights = batch.weights[:, 1:].reshape(-1)
    kept = weights > 0
    states, labels = hidden.reshape(-1, hidden.shape[-1])[kept], batch.ids[:, 1:].reshape(-1)[kept]
    loss: Tensor = _HeadLoss.apply(states, model.lm_head.weight, labels, weights[kept])  # type: ignore[no-untyped-call]
    return loss


def train_model(
    model: Qwen3ForCausalLM,
    batches: Iterator[Batch],
    recipe: OptimizationParams,
    report: Callable[[int, float, float], None],
    *,
    compile: bool,
) -> None:
    """Train `model` in place.

    Args:
        model: The decoder.
        batches: Token ids with weights.
        recipe: Steps and learning rates.
        report: Called every 50 optimizer steps with the step, the mean loss in nats, and the seconds so far.
        compile: Whether to compile the layers (torch.compile).
    """
    optimizers = _create_optimizers(model, recipe)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    started, losses = time.monotonic(), []
    model.train()
    if compile:
        for layer in model.model.layers:
            layer.compile()
    for step in range(recipe.steps):
        loss = _compute_loss(model, next(batches))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * compute_lr_factor(step, recipe)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            report(step + 1, math.fsum(losses) / len(losses), time.monotonic() - started)
            losses.clear()
