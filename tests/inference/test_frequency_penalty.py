"""Answers with a frequency penalty are those of each prompt alone, and those of the engine."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from seodang.inference.engine.contract import SamplingOptions
from seodang.inference.engine.sampling import choose_token
from seodang.inference.generation import generate
from seodang.inference.shared_generation import iter_generations

END = 1
SETTINGS = {"end_id": END, "max_new_tokens": 12, "frequency_penalty": 1.5}
PROMPTS = [[5, 6, 7, 5], [9], [*range(20, 60)], [5, 6, 7, 5, 8]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1446)
    shape = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(
        LlamaConfig(**shape, intermediate_size=64, initializer_range=0.3, eos_token_id=END, tie_word_embeddings=True)
    ).eval()


@torch.inference_mode()
def answer_as_engine(model, prompt):
    options = SamplingOptions(max_new_tokens=12, frequency_penalty=SETTINGS["frequency_penalty"])
    tokens, counts = [], {}
    while len(tokens) < 12:
        logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, -1].float()
        token = choose_token(logits, options, counts, None)
        if token == END:
            break
        counts[token] = counts.get(token, 0) + 1
        tokens.append(token)
    return tokens


def test_evaluation_penalizes_the_tokens_of_the_answer_as_the_engine_does(model):
    """Neither the prompt nor the padding counts, which is the end token."""
    expected = [answer_as_engine(model, prompt) for prompt in PROMPTS]
    assert [answer.tokens for answer in generate(model, PROMPTS, batch_tokens=512, **SETTINGS)] == expected
    shared = {
        index: answer.tokens
        for batch in iter_generations(model, PROMPTS, batch_tokens=512, **SETTINGS)
        for index, answer in batch
    }
    assert [shared[index] for index in range(len(PROMPTS))] == expected
    plain = generate(model, PROMPTS, **{**SETTINGS, "frequency_penalty": 0.0}, batch_tokens=512)
    assert [answer.tokens for answer in plain] != expected
