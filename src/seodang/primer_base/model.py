"""Train the primer base from scratch on a CPU: a tokenizer and a small decoder.

The module has its own training loop: Muon for the matrices needs a second optimizer,
and on a small machine the Trainer's overhead costs as much as the optimizer step.
Muon: Jordan et al. 2024. Learning-rate schedule (warm-up, stable, linear decay): Hu et al. 2024 (MiniCPM).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from seodang.config import ScratchParams

END, PAD, USER, ASSISTANT = "<|end|>", "<|pad|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['content'] + '\\n\\n' if message['role'] == 'system' else"
    " ('<|user|>' if message['role'] == 'user' else '<|assistant|>') + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


_HEAD_ROWS = 256  # 256 x 6144 logits have 6 MB and stay in the cache


def train_tokenizer(texts: Iterable[str], vocab_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer that splits digits and normalizes text to NFC."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens={"user_token": USER, "assistant_token": ASSISTANT},
        chat_template=CHAT_TEMPLATE,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )


def create_model(shape: ScratchParams, tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    """Return an untrained Qwen3 decoder with tied embeddings."""
    torch.manual_seed(shape.seed)
    config = build_config(shape, vocab_size=len(tokenizer))
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    return Qwen3ForCausalLM(config)


def build_config(shape: ScratchParams, *, vocab_size: int) -> Qwen3Config:
    """Return the configuration of the decoder, whose embeddings are tied."""
    return Qwen3Config(
        vocab_size=vocab_size,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        head_dim=shape.hidden_size // shape.num_heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=shape.context_length,
        tie_word_embeddings=True,
        bos_token_id=None,
    )


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


def compute_lr_factor(step: int, recipe: ScratchParams) -> float:
    """Return the ratio of the peak learning rate at a step: linear warm-up, plateau, linear decay to 0."""
    decay = max(1, int(recipe.steps * recipe.decay_ratio))
    rise = (step + 1) / max(1, recipe.warmup_steps)
    fall = (recipe.steps - step) / decay
    return max(0.0, min(1.0, rise, fall))


def _create_optimizers(model: nn.Module, recipe: ScratchParams) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=recipe.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def iter_batches(
    documents: Callable[[int], Sequence[Sequence[int]]], end: int, recipe: ScratchParams
) -> Iterator[Tensor]:
    """Yield batches of shape (batch, sequence) forever; `documents` gives the documents of each epoch."""
    epoch = 0
    while True:
        rng = random.Random(f"{recipe.seed}/{epoch}")
        rows = pack_documents(documents(epoch), end, recipe.sequence_length, rng)
        yield from rows[: len(rows) // recipe.batch_size * recipe.batch_size].split(recipe.batch_size)
        epoch += 1


class _HeadLoss(torch.autograd.Function):
    """Mean cross-entropy of a tied output head, computed in blocks of rows.

    The logits of a batch would need several tensors of shape (tokens, vocabulary).
    Here each block's gradient is computed in place, so only one block exists at a time.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        """Return the loss in nats; hidden (N, H), weight (V, H), labels (N,)."""
        hidden_grad, weight_grad = torch.empty_like(hidden), torch.zeros_like(weight)
        weight_bf16, total = weight.bfloat16(), 0.0
        for start in range(0, len(labels), _HEAD_ROWS):
            rows = slice(start, start + _HEAD_ROWS)
            states, targets = hidden[rows].bfloat16(), labels[rows, None]
            logits = (states @ weight_bf16.T).float()
            logits -= logits.amax(dim=1, keepdim=True)
            target_logits = logits.gather(1, targets)
            sums = logits.exp_().sum(dim=1, keepdim=True)
            total += float((sums.log() - target_logits).sum())
            logits.div_(sums).scatter_add_(1, targets, torch.full_like(target_logits, -1.0))
            gradient = logits.bfloat16()
            hidden_grad[rows] = gradient @ weight_bf16
            weight_grad += (gradient.T @ states).float()
        ctx.save_for_backward(hidden_grad / len(labels), weight_grad / len(labels))
        return torch.tensor(total / len(labels))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of the forward pass, which computed them."""
        hidden_grad, weight_grad = ctx.saved_tensors
        return hidden_grad * gradients[0], weight_grad * gradients[0], None


def _compute_loss(model: Qwen3ForCausalLM, ids: Tensor) -> Tensor:
    """Return the mean next-token loss of ids (batch, sequence)."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    states, labels = hidden.reshape(-1, hidden.shape[-1]), ids[:, 1:].reshape(-1)
    loss: Tensor = _HeadLoss.apply(states, model.lm_head.weight, labels)  # type: ignore[no-untyped-call]
    return loss


def train_model(
    model: Qwen3ForCausalLM, data: Iterator[Tensor], recipe: ScratchParams, report: Callable[[int, float, float], None]
) -> None:
    """Train `model` in place.

    Args:
        model: The decoder.
        data: Batches of token ids, shape (batch, sequence).
        recipe: Section model.scratch of params.yaml.
        report: Called every 50 optimizer steps with the step, the mean loss in nats, and the seconds so far.
    """
    optimizers = _create_optimizers(model, recipe)
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    started, losses = time.monotonic(), []
    model.train()
    if recipe.compile:
        for layer in model.model.layers:
            layer.compile()
    for step in range(recipe.steps):
        loss = _compute_loss(model, next(data))
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


@torch.no_grad()
def compute_perplexity(model: Qwen3ForCausalLM, documents: Sequence[Sequence[int]], end: int) -> float:
    """Return exp of the mean loss per token; each document is read alone, after an end token."""
    model.eval()
    total, count = 0.0, 0
    for document in documents:
        ids = torch.tensor([[end, *document, end]])
        logits = model(input_ids=ids).logits[0, :-1].float()
        total += nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return math.exp(total / count)


@torch.no_grad()
def generate_continuation(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str, seed: int) -> str:
    """Return a text with a sampled continuation: temperature 0.7, top-p 0.9, at most 30 tokens."""
    torch.manual_seed(seed)
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    untyped_model: Any = model  # transformers types generate() for another class
    output_ids = untyped_model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
        top_k=0,
        max_new_tokens=30,
        pad_token_id=tokenizer.pad_token_id,
    )
    return str(tokenizer.decode(output_ids[0], skip_special_tokens=True))
