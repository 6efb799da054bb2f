"""Chosen tokens and log-probabilities beside their definitions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seodang.inference.engine.contract import SamplingOptions
from seodang.inference.engine.sampling import choose_token, compute_logprob, is_plain_greedy

LOGITS = torch.tensor([0.0, 1.0, 2.0, 3.0])
values = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=20)


def choose(logits, counts=None, seed=7, **options):
    generator = torch.Generator().manual_seed(seed)
    return choose_token(logits, SamplingOptions(max_new_tokens=1, **options), counts or {}, generator)


@given(values, st.floats(0.01, 2), st.floats(0.01, 1), st.integers(0, 99))
def test_a_token_is_among_the_most_likely_ones_that_reach_top_p(logits, temperature, top_p, seed):
    logits = torch.tensor(logits)
    token = choose(logits, seed=seed, temperature=temperature, top_p=top_p)
    probabilities = torch.softmax(logits.double() / temperature, dim=0)
    assert probabilities[probabilities > probabilities[token]].sum() < top_p + 1e-9


def test_the_shares_of_sampled_tokens_are_their_probabilities():
    generator = torch.Generator().manual_seed(1)
    options = SamplingOptions(max_new_tokens=1, temperature=1.5)
    tokens = [choose_token(LOGITS, options, {}, generator) for _ in range(4000)]
    shares = torch.bincount(torch.tensor(tokens), minlength=4) / 4000
    assert torch.allclose(shares, torch.softmax(LOGITS / 1.5, dim=0), atol=0.03)


@pytest.mark.parametrize(
    ("options", "counts", "expected"),
    [
        ({}, {3: 9}, 3),
        ({"presence_penalty": 1.5}, {3: 9}, 2),
        ({"frequency_penalty": 0.4}, {3: 2}, 3),
        ({"frequency_penalty": 0.6}, {3: 2}, 2),
        ({"presence_penalty": -2.0}, {2: 1}, 2),
        ({"logit_bias": {0: 100.0}}, {}, 0),
        ({"logit_bias": {3: -100.0}}, {}, 2),
        ({"logit_bias": {3: -0.5}, "presence_penalty": 0.6}, {3: 1}, 2),
    ],
)
def test_penalties_and_bias_follow_the_formula(options, counts, expected):
    assert choose(LOGITS, counts, temperature=0.0, **options) == expected
    assert is_plain_greedy(SamplingOptions(max_new_tokens=1, **options)) is (not options)


@given(values, st.integers(0, 25))
def test_log_probabilities_are_those_of_softmax_best_first(logits, alternatives):
    logits = torch.tensor(logits)
    expected = torch.log_softmax(logits, dim=0)
    found = compute_logprob(logits, 0, alternatives)
    assert found.logprob == pytest.approx(float(expected[0]), abs=1e-5)
    assert [value for _token, value in found.alternatives] == sorted(expected.tolist(), reverse=True)[:alternatives]


def test_log_probabilities_of_impossible_tokens_are_finite():
    found = compute_logprob(torch.tensor([0.0, -math.inf]), 1, 2)
    assert math.isfinite(found.logprob)
    assert all(math.isfinite(value) for _token, value in found.alternatives)
    assert choose(torch.tensor([0.0, -math.inf]), temperature=2.0) == 0
