"""Answers with a repetition penalty are those of transformers, in evaluation and in the service."""

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, RepetitionPenaltyLogitsProcessor

from seodang.inference.engine.contract import SamplingOptions
from seodang.inference.engine.sampling import choose_token, is_plain_greedy
from seodang.inference.generation import generate, penalize_repetition
from seodang.inference.shared_generation import iter_generations

END = 1
PENALTY = 1.3
PROMPTS = [[5, 6, 7, 5], [9], [*range(20, 60)], [5, 6, 7, 5, 8]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1446)
    shape = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**shape, intermediate_size=64, initializer_range=0.3, eos_token_id=END)).eval()


def answer_with_transformers(model, prompt):
    config = GenerationConfig(
        do_sample=False, max_new_tokens=12, eos_token_id=END, pad_token_id=END, repetition_penalty=PENALTY
    )
    ids = torch.tensor([prompt])
    output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
    tokens = output[0, len(prompt) :].tolist()
    return tokens[: tokens.index(END)] if END in tokens else tokens


def test_the_formula_is_that_of_transformers_and_a_token_counts_once():
    torch.manual_seed(1)
    logits, tokens = torch.randn(3, 20), torch.tensor([[1, 2, 2, 7]] * 3)
    expected = RepetitionPenaltyLogitsProcessor(PENALTY)(tokens, logits.clone())
    assert torch.equal(penalize_repetition(logits, tokens, PENALTY), expected)
    assert torch.equal(penalize_repetition(logits, tokens, 1.0), logits)


def test_the_padding_of_a_batch_is_not_penalized(model):
    """The padding is the end token: with transformers' own setting, the shorter prompts of a batch would not end."""
    expected = [answer_with_transformers(model, prompt) for prompt in PROMPTS]
    settings = {"end_id": END, "max_new_tokens": 12, "repetition_penalty": PENALTY}
    together = generate(model, PROMPTS, batch_tokens=512, **settings)
    assert [answer.tokens for answer in together] == expected
    shared = {
        index: answer.tokens
        for batch in iter_generations(model, PROMPTS, batch_tokens=512, **settings)
        for index, answer in batch
    }
    assert [shared[index] for index in range(len(PROMPTS))] == expected
    plain = generate(model, PROMPTS, end_id=END, max_new_tokens=12, batch_tokens=512)
    assert [answer.tokens for answer in plain] != expected


@torch.inference_mode()
def test_the_engine_chooses_the_same_tokens(model):
    options = SamplingOptions(max_new_tokens=12, repetition_penalty=PENALTY)
    assert not is_plain_greedy(options)
    for prompt in PROMPTS:
        tokens, counts = [], {}
        for expected in answer_with_transformers(model, prompt):
            logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, -1].float()
            token = choose_token(logits, options, counts, None, None, prompt)
            assert token == expected
            counts[token] = counts.get(token, 0) + 1
            tokens.append(token)
