"""Answers that are generated together, from a shared cache, are those of each prompt alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from seodang.inference.generation_batches import iter_decoding_batches, iter_prefix_groups, iter_trees
from seodang.inference.prefix_tree import build_tree
from seodang.inference.prompt_cache import read_prompts
from seodang.inference.shared_generation import iter_generations
from seodang.inference.tree_attention import can_continue_cache

SHAPE = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.3}
ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
END = 1
EXAMPLES = [number % 90 + 5 for number in range(0, 700, 7)]  # 100 tokens, as few-shot examples
OTHER_EXAMPLES = [number % 90 + 5 for number in range(0, 880, 11)]
PROMPTS = [
    [5, 6, 7],
    *([*EXAMPLES, 20 + number, *range(30, 30 + number)] for number in range(7)),
    *([*OTHER_EXAMPLES, 40, 41 + number] for number in range(3)),
    [5, 6, 7],
    [9],
    [*EXAMPLES],
]


def make_llama():
    return LlamaForCausalLM(LlamaConfig(**SHAPE, **ATTENTION)).eval()


def make_gemma(window):
    kinds = {"sliding_window": window, "layer_types": ["sliding_attention", "full_attention"]}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, **ATTENTION, **kinds, head_dim=16)).eval()


def make_bloom():
    return BloomForCausalLM(BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=2)).eval()


MAKERS = {
    "llama": make_llama,
    "a window longer than the rows": lambda: make_gemma(512),
    "a window shorter than the rows": lambda: make_gemma(16),
    "no positions": make_bloom,
}


@pytest.fixture(params=MAKERS)
def model(request):
    torch.manual_seed(1446)
    return MAKERS[request.param]()


def answer(model, prompts, batch_tokens):
    batches = iter_generations(model, prompts, end_id=END, max_new_tokens=8, batch_tokens=batch_tokens)
    answers = {index: answer for batch in batches for index, answer in batch}
    return [answers[index].tokens for index in range(len(prompts))]


@pytest.mark.parametrize("batch_tokens", [4096, 64])
def test_each_answer_is_that_of_its_prompt_alone(model, batch_tokens):
    alone = [answer(model, [prompt], 4096)[0] for prompt in PROMPTS]
    assert answer(model, PROMPTS, batch_tokens) == alone


def test_a_row_alone_is_what_transformers_generates():
    torch.manual_seed(1446)
    model = make_llama()
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        stops = [END, model.config.eos_token_id]
        generated = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=stops, pad_token_id=END)
        new = [token for token in generated[0].tolist()[len(prompt) :] if token not in stops]
        assert answer(model, [prompt], 4096)[0] == new


def test_only_models_with_plain_caches_share_one():
    shared = {name: can_continue_cache(make(), length=120) for name, make in MAKERS.items()}
    assert shared == {
        "llama": True,
        "a window longer than the rows": True,
        "a window shorter than the rows": False,
        "no positions": False,
    }


def test_few_shot_examples_are_read_once(monkeypatch):
    model, read = make_llama(), []
    embed = model.get_input_embeddings()
    monkeypatch.setattr(embed, "forward", _count_tokens(embed.forward, read))
    read_prompts(model, PROMPTS[1:8], new_tokens=8, tree_tokens=256)
    # The examples once, seven first tokens, and the longest of the tails, of which the others are beginnings.
    assert sum(read) < len(EXAMPLES) + 40


def _count_tokens(forward, read):
    def count(ids):
        read.append(ids.numel())
        return forward(ids)

    return count


tokens = st.lists(st.integers(2, 5), min_size=1, max_size=90)
prompts = st.lists(tokens, min_size=1, max_size=12)


@given(prompts, st.integers(1, 200), st.integers(1, 30))
def test_each_prompt_is_in_one_decoding_batch_within_the_limits(prompts, read_tokens, new_tokens):
    batches = list(iter_decoding_batches(prompts, read_tokens=read_tokens, new_tokens=new_tokens, vocab_size=100))
    assert sorted(index for batch in batches for index in batch) == list(range(len(prompts)))
    for batch in batches:
        cached = len(batch) * (max(len(prompts[index]) for index in batch) + new_tokens)
        assert len(batch) == 1 or cached <= 8 * read_tokens


@given(prompts, st.integers(1, 100))
def test_each_row_is_in_one_tree_within_the_limit(rows, limit):
    seen = []
    for group, shared in iter_prefix_groups(rows):
        assert all(rows[index][:shared] == rows[group[0]][:shared] for index in group)
        for tree_rows in iter_trees(rows, group, shared, limit):
            tree, _paths = build_tree([rows[index][shared:] for index in tree_rows])
            assert len(tree_rows) == 1 or len(tree.tokens) <= limit
            seen += tree_rows
    assert sorted(seen) == list(range(len(rows)))
