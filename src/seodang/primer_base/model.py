"""The primer base: its tokenizer, its decoder, its perplexity and its continuations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
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
