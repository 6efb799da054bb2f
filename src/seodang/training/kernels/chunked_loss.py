"""The loss where a token is learned, and nowhere else: logits of no other place are ever computed, and never all at once.

With 262,144 entries in the vocabulary the logits of a 384-token record take 0.4 GB in fp32, their softmax and its gradient
as much again. Here a chunk of them becomes loss and gradient before the next one is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from seodang.training.kernels.last_layer import AnswerRows, work_on_answers_only

# Of one chunk's logits. Larger chunks use the matrix kernels a little better, smaller ones stay in memory that is warm.
_CHUNK_BYTES = 1 << 26
_ROUND = 32  # rows of a chunk are a multiple: oneDNN builds its bf16 kernels anew for each number of rows that it meets
# Architectures whose `logits_scaling` is a factor; for all others (Granite, MiniCPM3) it is a divisor.
_MULTIPLYING = {"hyperclovax", "hyperclovax_text"}
_SLICE_BYTES = 1 << 23  # of the part of a chunk that is turned into probabilities in fp32 at a time


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of the cross entropies of hidden @ weight.T; gradients are computed in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        softcap: float | None,
        scale: float,
    ) -> Tensor:
        wanted = ctx.needs_input_grad[:3]
        grads = _Gradients(hidden, weight, bias, wanted)
        rows = max(1, _CHUNK_BYTES // (weight.shape[0] * hidden.element_size() * _ROUND)) * _ROUND
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, hidden.shape[0], rows):
            part = slice(start, start + rows)
            logits = torch.nn.functional.linear(hidden[part], weight, bias)
            learned = targets[part]
            total += _loss_into_gradient(logits[: len(learned)], learned, softcap, scale, any(wanted))
            logits[len(learned) :].zero_()  # rows that fill up: nothing flows back from them
            grads.add(part, logits, hidden, weight)
        ctx.save_for_backward(*grads.found())
        ctx.wanted = wanted
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        found = iter(ctx.saved_tensors)
        return (*(next(found).mul_(upstream[0]) if wanted else None for wanted in ctx.wanted), None, None, None)


class _Gradients:
    """The gradients of hidden, weight and bias, as far as they are wanted, filled chunk by chunk."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: tuple[bool, ...]) -> None:
        self._hidden = torch.empty_like(hidden) if wanted[0] else None
        self._weight = torch.zeros_like(weight) if wanted[1] else None
        self._bias = torch.zeros_like(bias) if wanted[2] and bias is not None else None

    def add(self, part: slice, gradient: Tensor, hidden: Tensor, weight: Tensor) -> None:
        """Add what the logits' gradient (rows, vocabulary) of one chunk gives."""
        if self._hidden is not None:
            torch.mm(gradient, weight, out=self._hidden[part])
        if self._weight is not None:
            self._weight.addmm_(gradient.t(), hidden[part])
        if self._bias is not None:
            self._bias += gradient.sum(dim=0)

    def found(self) -> list[Tensor]:
        return [gradient for gradient in (self._hidden, self._weight, self._bias) if gradient is not None]


def _loss_into_gradient(logits: Tensor, targets: Tensor, softcap: float | None, scale: float, gradient: bool) -> Tensor:
    """Return the sum of the cross entropies and, where wanted, put the gradient of the logits in their place.

    In fp32 whatever the logits are kept in, a few rows at a time.
    """
    total = logits.new_zeros((), dtype=torch.float32)
    rows = max(1, _SLICE_BYTES // (logits.shape[1] * 4))
    for start in range(0, logits.shape[0], rows):
        part = logits[start : start + rows]
        raw = part.float() if scale == 1.0 else part.float() * scale
        capped = raw if softcap is None else torch.tanh(raw / softcap) * softcap
        places = targets[start : start + rows, None]
        normaliser = capped.logsumexp(dim=1, keepdim=True)
        total += (normaliser - capped.gather(1, places)).sum()
        if not gradient:
            continue
        probabilities = capped.sub_(normaliser).exp_() if softcap is None else torch.sub(capped, normaliser).exp_()
        probabilities.scatter_add_(1, places, torch.full_like(places, -1, dtype=probabilities.dtype))
        if softcap is not None:
            probabilities *= 1 - (capped / softcap) ** 2
        part.copy_(probabilities if scale == 1.0 else probabilities * scale)
    return total


def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    softcap: float | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Return the sum over L places of the cross entropy, in nats, in fp32.

    Args:
        hidden: (L, size).
        weight: (vocabulary, size).
        bias: (vocabulary,) or None.
        targets: (L,).
        softcap: Bound of the logits (Gemma 2, arXiv 2408.00118), or None.
        scale: Factor of the logits.
    """
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        hidden, weight, bias = hidden.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    if hidden.dtype != torch.float32:
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, -hidden.shape[0] % _ROUND))
    with torch.autocast(kind, enabled=False):
        total: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, softcap, scale)  # type: ignore[no-untyped-call]
    return total


@dataclass(slots=True)
class AnswerHead:
    """How a model's forward pass comes to the logits of its answers."""

    whole: bool  # by all of the model's own steps, at every token: for architectures that do more to their states or logits than the head does


def learn_answers(model: PreTrainedModel) -> AnswerHead:
    """Let the model's forward pass return the loss over `targets`, or without them the logits at `predictors` alone.

    A pass that learns nothing takes the same way through all layers, so that processes that train together keep in step.
    Without `predictors` the model answers as before.
    """
    original: Callable[..., Any] = model.forward
    answers, way = AnswerRows(), AnswerHead(whole=False)
    work_on_answers_only(model, answers)

    def forward(
        self: PreTrainedModel,
        *arguments: Any,
        predictors: Tensor | None = None,
        targets: Tensor | None = None,
        answer_rows: Tensor | None = None,
        **inputs: Any,
    ) -> Any:
        if predictors is None:
            answers.rows = None
            return original(*arguments, **inputs)
        if way.whole:
            answers.rows = None
            logits = original(
                *arguments, **{name: value for name, value in inputs.items() if value is not None}, use_cache=False
            ).logits
            return _of_whole(logits.flatten(0, 1).index_select(0, predictors), targets)
        # Each row once: two records with one beginning may learn different tokens after it.
        answers.rows = predictors.unique() if answer_rows is None else answer_rows
        states = self.base_model(
            *arguments, **{name: value for name, value in inputs.items() if value is not None}, use_cache=False
        ).last_hidden_state
        hidden = states.flatten(0, 1).index_select(0, predictors)
        head = self.get_output_embeddings()
        if targets is None:
            return CausalLMOutputWithPast(logits=head(hidden))
        cap, scale = logit_shape(self)
        return CausalLMOutputWithPast(loss=head(hidden, targets=targets, softcap=cap, scale=scale))

    model.forward = MethodType(forward, model)
    head = model.get_output_embeddings()
    head.forward = MethodType(_with_loss(head.forward), head)
    return way


def _of_whole(logits: Tensor, targets: Tensor | None) -> CausalLMOutputWithPast:
    if targets is None:
        return CausalLMOutputWithPast(logits=logits)
    return CausalLMOutputWithPast(loss=torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum"))


def _with_loss(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let a head return the loss where it is given targets: sharded weights are plain tensors inside their own module's forward pass only."""

    def forward(
        self: torch.nn.Linear,
        hidden: Tensor,
        *,
        targets: Tensor | None = None,
        softcap: float | None = None,
        scale: float = 1.0,
    ) -> Tensor:
        if targets is None:
            return original(hidden)
        return chunked_cross_entropy(hidden, self.weight, self.bias, targets, softcap=softcap, scale=scale)

    return forward


def logit_shape(model: PreTrainedModel) -> tuple[float | None, float]:
    """Return the bound and the factor that the model's configuration gives its logits."""
    config = model.config.get_text_config()
    named = getattr(config, "logits_scaling", None)
    factor = getattr(config, "logit_scale", None)
    scale = float(factor) if factor else 1.0
    if named:
        scale = float(named) if config.model_type in _MULTIPLYING else 1 / float(named)
    return getattr(config, "final_logit_softcapping", None), scale
