"""The engine of the packaged model computes what transformers and evaluation compute.

The rules that every engine keeps are in tests/inference/engine/engine_contract.py.
Run: pytest tests/service/test_packaged_engine.py
"""

from __future__ import annotations

import asyncio

import pytest
import torch
from tests.constants import KOREAN

from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.inference.loglikelihood import score_choices


def run(engine, prompt, prompt_logprobs=None, **options):
    async def collect():
        request = TokenRequest(tuple(prompt), SamplingOptions(**options), prompt_logprobs=prompt_logprobs)
        return [step async for step in engine.submit(request)]

    return asyncio.run(collect())


@pytest.fixture
def prompt(served):
    return served.model.encode_request(*KOREAN[:2])


def test_greedy_tokens_are_those_of_transformers(served, prompt):
    model = served.engine._model
    plain = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=24, eos_token_id=served.model.manifest.end_id
    )
    steps = run(served.engine, prompt, max_new_tokens=24)
    assert [step.token for step in steps] == plain[0, len(prompt) :].tolist()
    assert [step.finish_reason for step in steps] == [None] * (len(steps) - 1) + ["stop"]


def test_log_probabilities_are_those_of_evaluation(served, prompt):
    options = [served.model.encoder.encode_answer(text) for text in ("부정", "긍정")]
    request = ChoiceRequest("a", prompt, tuple(zip("ab", options, strict=True)))
    ((_, likelihoods),) = next(iter(score_choices(served.engine._model, [request], 4096)))
    for ids, likelihood in zip(options, likelihoods, strict=True):
        (step,) = run(served.engine, [*prompt, *ids], prompt_logprobs=0, max_new_tokens=0)
        assert (step.token, step.finish_reason) == (None, "length")
        assert step.prompt_logprobs[0] is None
        nats = sum(logprob.logprob for logprob in step.prompt_logprobs[len(prompt) :])
        assert nats == pytest.approx(likelihood.nats, abs=1e-4)
