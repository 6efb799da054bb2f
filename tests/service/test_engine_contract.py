"""The engine of the packaged model keeps the contract. Run: pytest tests/service/test_engine_contract.py"""

from __future__ import annotations

import asyncio
import math

import pytest
import torch
from tests.constants import KOREAN

from seodang.errors import ModelError
from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.engine.contract import QueueFull, SamplingOptions, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
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


def test_equal_seeds_give_equal_tokens_and_others_vary(served, prompt):
    def sample(seed):
        steps = run(served.engine, prompt, max_new_tokens=8, temperature=2.0, seed=seed)
        return tuple(step.token for step in steps)

    assert sample(3) == sample(3)
    assert len({sample(seed) for seed in range(6)}) > 1
    assert len({sample(None) for _ in range(6)}) > 1


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


def test_alternatives_are_the_best_tokens_and_the_first_one_is_greedy(served, prompt):
    steps = run(served.engine, prompt, max_new_tokens=3, top_logprobs=3)
    for step in steps:
        assert step.logprob.alternatives[0] == (step.token, step.logprob.logprob)
        values = [value for _token, value in step.logprob.alternatives]
        assert values == sorted(values, reverse=True)
        assert all(map(math.isfinite, values))


def test_other_end_tokens_end_the_answer(served, prompt):
    first = run(served.engine, prompt, max_new_tokens=1)[0].token
    (step,) = run(served.engine, prompt, max_new_tokens=5, stop_ids=frozenset({first}))
    assert (step.token, step.finish_reason) == (first, "stop")


def test_closing_frees_the_slot_within_a_step_and_a_full_queue_refuses(served, prompt):
    engine = TransformersEngine(served.engine._model, [9999], Limits(max_running=1, max_waiting=1))
    request = TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=90))

    async def scenario():
        first, second = engine.submit(request), engine.submit(request)
        await anext(first)
        with pytest.raises(QueueFull):
            engine.submit(request)
        await second.aclose()
        third = engine.submit(request)  # at once, though the first one still runs
        await first.aclose()
        await third.aclose()
        for _step in range(200):
            if engine.get_status().running == engine.get_status().waiting == 0:
                break
            await asyncio.sleep(0.05)
        assert engine.get_status().running == engine.get_status().waiting == 0
        steps = [step async for step in engine.submit(TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=2)))]
        assert len(steps) == 2
        await engine.close(1.0)

    asyncio.run(scenario())


def test_closing_the_engine_cancels_what_does_not_end_in_time(served, prompt):
    engine = TransformersEngine(served.engine._model, [9999], Limits(max_running=1, max_waiting=1))

    async def scenario():
        steps = engine.submit(TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=95)))
        await engine.close(0.0)
        return [step async for step in steps][-1]

    assert asyncio.run(scenario()).finish_reason == "cancelled"


def test_a_model_that_fails_is_an_error_of_the_answer(served, prompt):
    with pytest.raises(ModelError, match="there is no token 1000000000"):
        run(served.engine, [10**9], max_new_tokens=1)
    assert run(served.engine, prompt, max_new_tokens=1)
