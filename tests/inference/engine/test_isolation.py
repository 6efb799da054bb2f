"""What one request causes ends that request only. Run: pytest tests/inference/engine/test_isolation.py"""

from __future__ import annotations

import asyncio

import pytest
import torch
from tests.inference.engine.test_engine_contract import END, make_llama

from seodang.errors import EvaluationError, SeodangError
from seodang.inference.engine import batch, slot_cache
from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.inference.engine.prefix_store import PrefixStore
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.slot_cache import SlotLayer
from seodang.inference.engine.transformers_engine import TransformersEngine

POISON = 99
PROMPTS = [tuple(range(5 + n, 30 + 3 * n)) for n in range(5)]


def build(prompt, prompt_logprobs=None, **options):
    options = {
        "max_new_tokens": 8,
        "stop_ids": frozenset({END}),
        "logit_bias": {END: -100.0, POISON: -100.0},
        **options,
    }
    return TokenRequest(tuple(prompt), SamplingOptions(**options), prompt_logprobs=prompt_logprobs)


def answer(requests, *, damage=lambda engine: None, **settings):
    """Return the tokens of each request, or its error; all of them run side by side."""

    async def run():
        engine = TransformersEngine(make_llama(), [END], Limits(max_running=8), **settings)
        damage(engine)

        async def read(request):
            return [step.token async for step in engine.submit(request)]

        found = await asyncio.gather(*map(read, requests), return_exceptions=True)
        later = await read(build(PROMPTS[0]))  # the engine goes on
        assert engine.get_failure() is None
        await engine.close(0)
        return [*found, later]

    return asyncio.run(asyncio.wait_for(run(), 60))


def fail_on_poison(engine):
    """Let each forward pass that reads one token fail, as a shape that needs too much memory does."""
    embed = engine._model.get_input_embeddings()
    forward = embed.forward

    def fail(ids):
        if bool((ids == POISON).any()):
            raise torch.OutOfMemoryError("no memory")
        return forward(ids)

    embed.forward = fail


GOOD = [build(prompt) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def expected():
    return answer(GOOD)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize(
    "bad", [build((*PROMPTS[1], POISON)), build(PROMPTS[1], logit_bias={POISON: 100.0})], ids=["prompt", "answer"]
)
def test_a_forward_pass_that_fails_fails_the_row_that_causes_it(bad, place, deterministic, expected):
    requests = [*GOOD[:place], bad, *GOOD[place:]]
    found = answer(requests, damage=fail_on_poison, deterministic=deterministic)
    error = found.pop(place)
    assert isinstance(error, EvaluationError)
    assert "OutOfMemoryError" in str(error)
    if not deterministic:  # another shape may decide a near-tie otherwise
        assert found == expected
    assert not [item for item in found if isinstance(item, Exception)]


def test_a_request_without_room_in_the_cache_ends_alone(monkeypatch, expected):
    create = SlotLayer._create

    def create_small(self, rows, width):
        if width > 128:
            raise torch.OutOfMemoryError("no memory")
        return create(self, rows, width)

    monkeypatch.setattr(SlotLayer, "_create", create_small)
    found = answer([*GOOD[:3], build((7,) * 200), *GOOD[3:]])
    assert isinstance(found.pop(3), EvaluationError)
    assert found == expected


def test_a_cache_that_could_not_grow_keeps_its_states(monkeypatch):
    shape = slot_cache.LayerShape((1, 4), (1, 4), dtype=torch.float32, device=torch.device("cpu"))
    cache = slot_cache.SlotCache([shape, shape])
    cache.reserve(2, 64, used_rows=0, max_tokens=1000)
    for layer in cache.slots:
        layer.keys[:] = 3.0
    monkeypatch.setattr(cache.slots[1], "_create", lambda *_size: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        cache.reserve(8, 128, used_rows=2, max_tokens=2000)
    assert (cache.rows, cache.width) == (2, 64)
    assert bool((cache.slots[0].keys[:2, :, :64] == 3.0).all())


def test_a_prefix_that_has_no_place_is_computed_again(monkeypatch, expected):
    def fail(self):
        raise MemoryError

    monkeypatch.setattr(PrefixStore, "_allocate", fail)
    assert answer(GOOD) == expected


@pytest.mark.parametrize(
    "bad",
    [
        build(PROMPTS[1], top_logprobs=-5),
        build(PROMPTS[1], prompt_logprobs=-5),
        build(PROMPTS[1], seed="x", temperature=1),
    ],
    ids=["log-probabilities", "log-probabilities of the prompt", "seed"],
)
def test_options_that_cannot_be_computed_are_an_error_of_their_request(bad, expected):
    found = answer([*GOOD[:2], bad, *GOOD[2:]])
    assert isinstance(found.pop(2), SeodangError)
    assert found == expected


def test_numbers_that_are_not_finite_end_their_request(monkeypatch, expected):
    read = batch.Batch._read_chunks

    def damage(self, chunks):
        logits = read(self, chunks)
        for index, (row, _count) in enumerate(chunks):
            if POISON in row.prompt:
                logits[index] = torch.nan
        return logits

    monkeypatch.setattr(batch.Batch, "_read_chunks", damage)
    found = answer([*GOOD[:4], build((*PROMPTS[1], POISON), prompt_logprobs=2), *GOOD[4:]])
    assert "NaN" in str(found.pop(4))
    assert found == expected
