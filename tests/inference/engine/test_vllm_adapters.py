"""Adapters for vLLM, without vLLM: settings, places, and when they are loaded.

Run: pytest tests/inference/engine/test_vllm_adapters.py. Others run vLLM itself: test_vllm_engine.py and
test_engine_contract.py.
"""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from seodang.errors import ModelError
from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.inference.engine.vllm_adapters import build_lora_arguments, check_adapter, check_slots
from seodang.inference.engine.vllm_engine import VllmEngine


@pytest.fixture
def write(tmp_path):
    def write(name="a", **settings):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({"r": 8, **settings}), "utf-8")
        return folder

    return write


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 16}}, {"bias": "none"}])
def test_what_vllm_computes_as_peft_does_is_taken(write, settings):
    check_adapter(write(**settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"lora_bias": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [3]},
        {"layer_replication": [[0, 2]]},
        {"use_qalora": True, "target_parameters": ["experts"]},
    ],
    ids=str,
)
def test_what_it_does_not_compute_is_refused_by_name(write, settings):
    with pytest.raises(ModelError, match="vLLM computes no adapters with " + ".*".join(reversed([*settings]))):
        check_adapter(write(**settings))


@pytest.mark.parametrize("settings", [{"r": 513}, {"rank_pattern": {"q_proj": 1024}}])
def test_a_rank_above_that_of_vllm_is_refused(write, settings):
    with pytest.raises(ModelError, match=r"an adapter has rank .*, but vLLM takes 512 at most"):
        check_adapter(write(**settings))


def test_all_adapters_have_a_place_in_memory_and_the_largest_rank_counts(write):
    folders = [write("a"), write("b", rank_pattern={"v_proj": 24})]
    places = {"enable_lora": True, "max_loras": 3, "max_lora_rank": 32, "max_cpu_loras": 3}
    assert build_lora_arguments(folders, {}) == places
    assert build_lora_arguments([], {"max_loras": 3}) == {}
    assert build_lora_arguments(folders, {"max_loras": 1}) == {**places, "max_loras": 1, "max_cpu_loras": 2}
    assert build_lora_arguments(folders, {"max_loras": 4}) == {**places, "max_loras": 4, "max_cpu_loras": 4}
    for name, value, needed in (("max_lora_rank", 16, 24), ("max_cpu_loras", 1, 2)):
        with pytest.raises(ModelError, match=f"{name} is {value}, but the adapters need {needed}"):
            build_lora_arguments(folders, {name: value})


def test_on_a_cpu_one_slot_stays_empty():
    check_slots(0, 0)
    check_slots(2, 3)
    for slots in (1, 2):
        with pytest.raises(ModelError, match=f"max_loras is {slots}, but the adapters need 3"):
            check_slots(2, slots)


class Lora(NamedTuple):
    """vllm.lora.request.LoRARequest."""

    name: str
    id: int
    path: str


class Vllm:
    """What VllmEngine uses of vllm.v1.engine.async_llm.AsyncLLM."""

    errored = False
    model_config = SimpleNamespace(max_model_len=64, get_vocab_size=lambda: 100)

    def __init__(self):
        self.calls = []
        self.refused = None
        self.may_load = asyncio.Event()

    async def collective_rpc(self, method):
        self.calls.append(method)

    async def add_lora(self, lora):
        await self.may_load.wait()
        self.calls.append(lora)
        if lora.name == self.refused:
            raise RuntimeError("expected target modules in ['q_proj'] but received ['x_proj']")

    async def is_sleeping(self):
        return False


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "vllm.lora", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "vllm.lora.request", SimpleNamespace(LoRARequest=Lora))

    def build(vllm):
        engine = VllmEngine(vllm, [1], {"a": tmp_path / "a", "b": tmp_path / "b"})
        monkeypatch.setattr(engine, "_generate", lambda request, limit: generate(engine, vllm, request))
        return engine

    async def generate(engine, vllm, request):
        vllm.calls.append(engine._adapters.build_request(request.adapter))
        output = SimpleNamespace(token_ids=[7], logprobs=None, finish_reason="length")
        yield SimpleNamespace(outputs=[output], prompt_logprobs=None, num_cached_tokens=0)

    return build


def request(adapter):
    return TokenRequest((5, 6), SamplingOptions(max_new_tokens=1), adapter)


async def read(engine, adapter):
    return [step.token async for step in engine.submit(request(adapter))]


def test_adapters_are_loaded_once_before_the_first_request(build, tmp_path):
    async def run():
        vllm = Vllm()
        engine = build(vllm)
        early = [asyncio.create_task(read(engine, adapter)) for adapter in ("a", None)]
        await asyncio.sleep(0.01)
        assert vllm.calls == []
        vllm.may_load.set()
        assert await asyncio.gather(*early) == [[7], [7]]
        await engine.start()
        assert await read(engine, "b") == [7]
        first, second = Lora("a", 1, str(tmp_path / "a")), Lora("b", 2, str(tmp_path / "b"))
        assert vllm.calls == [first, second, first, None, "ignore_end_signals", second]

    asyncio.run(asyncio.wait_for(run(), 20))


def test_an_adapter_that_vllm_cannot_load_is_an_error_with_its_layers(build):
    async def run():
        vllm = Vllm()
        vllm.refused = "b"
        vllm.may_load.set()
        engine = build(vllm)
        for _ in range(2):
            with pytest.raises(ModelError, match=r"vLLM cannot load the adapter in .*b: .* received \['x_proj'\]"):
                await engine.start()
        with pytest.raises(ModelError, match="x_proj"):
            await read(engine, "a")

    asyncio.run(asyncio.wait_for(run(), 20))
