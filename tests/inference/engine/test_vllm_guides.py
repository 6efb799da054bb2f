"""Guided answers on vLLM are those of the engine on transformers. Run it as test_vllm_engine.py."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("vllm")

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from seodang.inference.engine.contract import GuideFailed, SamplingOptions, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.inference.engine.vllm_loading import load_vllm_engine
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import (
    build_choice_body,
    build_grammar,
    build_regex_body,
    build_schema_body,
)
from seodang.primer_base.model import train_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CONTEXT = 256
BODIES = {
    "choice": build_choice_body(["긍정", "부정"]),
    "regex": build_regex_body("[가-힣]{2,4}/\\d{2}"),
    "schema": build_schema_body(
        {
            "type": "object",
            "properties": {"이름": {"type": "string", "maxLength": 5}, "참": {"type": "boolean"}},
            "required": ["이름", "참"],
            "additionalProperties": False,
        }
    ),
    "control token": '"가" <[3]> "나"',
}


@pytest.fixture(scope="module")
def tokenizer():
    texts = ['안녕하세요 {"이름": "값", "참": true} 가나다 긍정 부정 0123456789'] * 20
    return train_tokenizer(texts, vocab_size=400, context_length=CONTEXT)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(3)
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        intermediate_size=64,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
        **shape,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def guides(tokenizer):
    compiler = GuideCompiler(tokenizer, tokenizer.eos_token_id)
    return {name: compiler.compile(build_grammar(body)) for name, body in BODIES.items()}


@pytest.fixture(scope="module")
def run():
    """Runs coroutines in one loop: vLLM's client stays in the loop of its first request."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(600)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module")
def engine(model, tokenizer, tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("vllm") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    changes = {"max_model_len": CONTEXT, "enforce_eager": True}
    engine = load_vllm_engine(folder, [tokenizer.eos_token_id], None, Limits(max_running=4), changes=changes)
    yield engine
    run(engine.close(0))


async def collect(engine, tokenizer, **options):
    prompt = tuple(tokenizer("안녕하세요 가나다", add_special_tokens=False)["input_ids"])
    return [step async for step in engine.submit(TokenRequest(prompt, SamplingOptions(**options)))]


@pytest.mark.parametrize("name", BODIES)
def test_a_guided_answer_has_the_tokens_of_the_engine_on_transformers(engine, model, tokenizer, guides, run, name):
    async def answer():
        reference = TransformersEngine(model, [tokenizer.eos_token_id])
        steps = await collect(reference, tokenizer, max_new_tokens=60, guide=guides[name])
        await reference.close(1)
        return steps

    expected = asyncio.run(answer())
    steps = run(collect(engine, tokenizer, max_new_tokens=60, guide=guides[name]))
    assert [step.token for step in steps] == [step.token for step in expected]
    assert steps[-1].finish_reason == expected[-1].finish_reason


def test_guided_and_free_answers_run_beside_one_another(engine, tokenizer, guides, run):
    async def answer_together():
        options = [{"guide": guides["choice"]}, {}, {"guide": guides["regex"], "temperature": 1.5, "seed": 1}]
        return await asyncio.gather(*(collect(engine, tokenizer, max_new_tokens=20, **each) for each in options))

    together = run(answer_together())
    assert [step.token for step in together[1]] == [
        step.token for step in run(collect(engine, tokenizer, max_new_tokens=20))
    ]
    text = tokenizer.decode([step.token for step in together[0]], skip_special_tokens=True)
    assert text in ("긍정", "부정")


def test_log_probabilities_of_a_guided_answer_are_refused(engine, tokenizer, guides, run):
    with pytest.raises(GuideFailed, match="log-probabilities"):
        run(collect(engine, tokenizer, max_new_tokens=5, guide=guides["choice"], top_logprobs=1))
