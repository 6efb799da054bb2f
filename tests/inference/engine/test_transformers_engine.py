"""Answers of the engine are those of each request alone, whatever else runs, comes, goes or fails."""

import asyncio
import gc
import math
import random
import threading
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
)

from seodang.errors import EvaluationError, ModelError
from seodang.inference.engine import streams
from seodang.inference.engine.contract import QueueFull, SamplingOptions, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine

END = 1
SHAPE = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.3}
ATTENTION = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
SHARED = tuple(number % 90 + 5 for number in range(0, 350, 7))
random_numbers = random.Random(1446)
PROMPTS = [
    *((*SHARED, 20 + number, *range(30, 30 + number)) for number in range(5)),
    *(tuple(random_numbers.randrange(5, 99) for _ in range(length)) for length in (1, 2, 15, 16, 17, 33, 70, 130)),
    SHARED,
    SHARED,
]


def make_llama():
    return LlamaForCausalLM(LlamaConfig(**SHAPE, **ATTENTION, max_position_embeddings=256)).eval()


def make_gemma(window):
    kinds = {"sliding_window": window, "layer_types": ["sliding_attention", "full_attention"]}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, **ATTENTION, **kinds, head_dim=16)).eval()


MAKERS = {
    "llama": make_llama,
    "a window longer than the rows": lambda: make_gemma(512),
    "a window shorter than some rows": lambda: make_gemma(64),
    "no positions": lambda: BloomForCausalLM(BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=2)).eval(),
    "recurrent states": lambda: MambaForCausalLM(
        MambaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, state_size=4, initializer_range=0.3)
    ).eval(),
}


def make_model(name="llama"):
    torch.manual_seed(1446)
    return MAKERS[name]()


@pytest.fixture(scope="module")
def llama():
    return make_model()


def request(prompt, adapter=None, prompt_logprobs=None, **options):
    return TokenRequest(
        tuple(prompt), SamplingOptions(**{"max_new_tokens": 12, **options}), adapter, prompt_logprobs=prompt_logprobs
    )


async def read(engine, asked):
    return [step async for step in engine.submit(asked)]


def get_tokens(steps):
    return [step.token for step in steps]


def run(model, use, stop_ids=(END,), **settings):
    """Return the result of `use`, which gets an engine in an event loop."""

    async def run_engine():
        engine = TransformersEngine(model, stop_ids, **settings)
        try:
            return await asyncio.wait_for(use(engine), 60)
        finally:
            await engine.close(0)

    return asyncio.run(run_engine())


def answer(model, requests, **settings):
    async def use(engine):
        return await asyncio.gather(*(read(engine, asked) for asked in requests), return_exceptions=True)

    return run(model, use, **settings)


def generate(model, prompt, count, end=END):
    tokens = model.generate(
        torch.tensor([prompt]), max_new_tokens=count, do_sample=False, eos_token_id=end, pad_token_id=end
    )
    return tokens[0, len(prompt) :].tolist()


@pytest.mark.parametrize(("name", "deterministic"), [*((name, False) for name in MAKERS), ("llama", True)])
def test_greedy_answers_are_those_of_transformers(name, deterministic):
    model = make_model(name)
    prompts = PROMPTS[::2]
    found = answer(model, [request(prompt, max_new_tokens=6) for prompt in prompts], deterministic=deterministic)
    assert list(map(get_tokens, found)) == [generate(model, prompt, 6) for prompt in prompts]
    assert {steps[-1].finish_reason for steps in found} <= {"stop", "length"}
    assert all(step.finish_reason is None for steps in found for step in steps[:-1])


SETTINGS = {
    "few rows": {"limits": Limits(max_running=2)},
    "few tokens": {"limits": Limits(max_tokens=200)},
    "small chunks": {"limits": Limits(chunk_tokens=16)},
    "no prefix cache": {"prefix_tokens": 0},
    "a full prefix cache": {"prefix_tokens": 48},
    "one shape": {"deterministic": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_no_bit_of_an_answer_depends_on_what_else_runs(llama, settings):
    kinds = [
        {"top_logprobs": 3},
        {"top_logprobs": 0, "temperature": 1.2, "seed": 5},
        {"top_logprobs": 1, "temperature": 0.7, "top_p": 0.8, "seed": 6, "frequency_penalty": 1.0},
    ]
    requests = [request(prompt, **kinds[index % 3]) for index, prompt in enumerate(PROMPTS)]

    async def answer_alone_and_together(engine):
        alone = [await read(engine, asked) for asked in requests]
        return alone, await asyncio.gather(*(read(engine, asked) for asked in requests))

    alone, together = run(llama, answer_alone_and_together, **settings)
    assert list(map(get_tokens, together)) == list(map(get_tokens, alone))
    if settings.get("deterministic"):
        assert together == alone


def test_answers_go_on_while_longer_requests_join(llama):
    """The cache grows in rows and columns below the running answers."""
    prompts = [PROMPTS[number] for number in (6, 7, 9, 10, 4, 11, 12)]

    async def use(engine):
        streams, started = [], []
        for prompt in prompts:
            streams.append(engine.submit(request(prompt, max_new_tokens=100, stop_ids=frozenset({0}))))
            started.append([await anext(streams[-1])])
        return [first + [step async for step in stream] for first, stream in zip(started, streams, strict=True)]

    found = list(map(get_tokens, run(llama, use)))
    for prompt, tokens in zip(prompts, found, strict=True):
        assert tokens == generate(llama, prompt, 100, end=0)[: len(tokens)]
    assert max(map(len, found)) == 100


def test_requests_have_their_own_seeds(llama):
    options = {"temperature": 1.5, "max_new_tokens": 20}
    seeds = [3, 4, 3, None, None]
    found = list(map(get_tokens, answer(llama, [request(PROMPTS[0], seed=seed, **options) for seed in seeds])))
    assert found[0] == found[2]
    assert len(set(map(tuple, found))) == 4


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_log_probabilities_are_those_of_a_forward_pass(name):
    model = make_model(name)
    prompt = PROMPTS[2]
    [steps] = answer(model, [request(prompt, prompt_logprobs=2, top_logprobs=2)], limits=Limits(chunk_tokens=16))
    ids = [*prompt, *get_tokens(steps)]
    with torch.inference_mode():
        expected = torch.log_softmax(model(torch.tensor([ids])).logits[0], dim=-1)
    found = [*steps[0].prompt_logprobs, *(step.logprob for step in steps)]
    assert found[0] is None
    assert len(found) == len(ids)
    assert all(step.prompt_logprobs is None for step in steps[1:])
    for position, logprob in enumerate(found[1:], 1):
        assert logprob.logprob == pytest.approx(float(expected[position - 1, ids[position]]), abs=1e-4)
        assert logprob.alternatives[0][1] == pytest.approx(float(expected[position - 1].max()), abs=1e-4)


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_no_new_tokens(name):
    [steps] = answer(make_model(name), [request(PROMPTS[7], max_new_tokens=0, prompt_logprobs=0)])
    assert [(step.token, step.finish_reason, len(step.prompt_logprobs)) for step in steps] == [
        (None, "length", len(PROMPTS[7]))
    ]


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_the_stop_tokens_of_a_request_end_it_and_those_of_the_model_do_not(name):
    model = make_model(name)
    tokens = generate(model, PROMPTS[8], 12)
    end, other = tokens[3], next(number for number in range(2, 99) if number not in tokens)
    requests = [request(PROMPTS[8], stop_ids=frozenset({stop})) for stop in (end, other)]
    stopped, longer = answer(model, [*requests], stop_ids=[tokens[0]])
    assert get_tokens(stopped) == tokens[: tokens.index(end) + 1]
    assert stopped[-1].finish_reason == "stop"
    assert (get_tokens(longer), longer[-1].finish_reason) == (tokens, "length")


def test_an_answer_ends_where_the_context_ends(llama):
    [full, one_left] = answer(llama, [request([7] * 256), request([7] * 255)])
    assert [(step.token, step.finish_reason) for step in full] == [(None, "length")]
    assert len(one_left) == 1


def test_prompts_are_read_in_the_order_of_arrival_while_others_end(llama):
    prompts = [tuple(random.Random(number).randrange(5, 99) for _ in range(15)) for number in range(12)]
    ended = []

    async def use(engine):
        async def ask(number):
            await read(engine, request(prompts[number], max_new_tokens=1))
            ended.append(number)

        await asyncio.gather(*(ask(number) for number in range(len(prompts))))

    run(llama, use, limits=Limits(chunk_tokens=16))  # one prompt in each step
    assert ended == sorted(ended)


def test_what_prompts_share_is_read_once(llama, monkeypatch):
    counted = []
    embed = llama.get_input_embeddings()
    forward = embed.forward
    monkeypatch.setattr(embed, "forward", lambda ids: counted.append(ids.numel()) or forward(ids))

    async def use(engine):
        await asyncio.gather(*(read(engine, request(prompt, max_new_tokens=1)) for prompt in PROMPTS[:5]))
        return engine.get_status()

    status = run(llama, use)
    assert sum(counted) < 2 * len(SHARED) + 4 * 20
    assert status.prefix_hits >= 4 * 48
    assert status.prefix_queries == sum(map(len, PROMPTS[:5]))
    assert status.cached_tokens >= 48
    assert (status.running, status.waiting) == (0, 0)


def test_adapters_answer_beside_each_other_without_each_other_s_states():
    config = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(3)
    model = get_peft_model(make_model(), config, adapter_name="first")
    model.add_adapter("second", config)
    model.eval()
    requests = [request(PROMPTS[0], name) for name in (None, "first", "second", None, "first", "third")]
    *found, refused = answer(model, requests)
    assert isinstance(refused, ModelError)
    expected = {}
    for name in ("first", "second"):
        model.base_model.enable_adapter_layers()
        model.set_adapter(name)
        expected[name] = generate(model, PROMPTS[0], 12)
    expected[None] = generate(make_model(), PROMPTS[0], 12)
    assert list(map(get_tokens, found)) == [expected[asked.adapter] for asked in requests[:-1]]
    assert len(set(map(tuple, expected.values()))) == 3


@pytest.mark.parametrize("prompt", [[], [100], [-1], [5] * 257])
def test_a_prompt_that_cannot_be_read_fails_alone(llama, prompt):
    bad, good = answer(llama, [request(prompt), request(PROMPTS[0])])
    assert isinstance(bad, ModelError)
    assert get_tokens(good) == generate(llama, PROMPTS[0], 12)


def test_a_full_queue_refuses_at_once(llama):
    async def use(engine):
        streams = [engine.submit(request(PROMPTS[0])) for _ in range(3)]
        with pytest.raises(QueueFull):
            engine.submit(request(PROMPTS[0]))
        await streams.pop().aclose()
        streams.append(engine.submit(request(PROMPTS[0])))  # at once
        for stream in streams:
            assert len([step async for step in stream]) > 0
        return await read(engine, request(PROMPTS[0]))

    assert get_tokens(run(llama, use, limits=Limits(max_running=1, max_waiting=2))) == generate(llama, PROMPTS[0], 12)


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_reader_that_goes_frees_its_row(name, is_dropped, monkeypatch):
    endless = request(PROMPTS[6], max_new_tokens=180, stop_ids=frozenset({0}), logit_bias={0: -100.0})

    async def use(engine):
        stream = engine.submit(endless)
        await anext(stream)
        if is_dropped:
            del stream
            gc.collect()
        else:
            await stream.aclose()
            assert [step async for step in stream] == []
        answered = await read(engine, request(PROMPTS[0]))
        return answered, engine.get_status()

    model, passes = make_model(name), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **inputs: passes.append(1) or forward(**inputs))
    answered, status = run(model, use, limits=Limits(max_running=1))
    assert len(passes) < 100
    assert get_tokens(answered) == generate(model, PROMPTS[0], 12)
    assert status.running == 0


def test_a_task_that_waits_for_a_step_ends_when_another_closes_the_stream(llama):
    async def use(engine):
        await read(engine, request(PROMPTS[0]))
        blocked = [engine.submit(request(PROMPTS[0], max_new_tokens=200, logit_bias={END: -100.0})) for _ in range(2)]
        reader = asyncio.ensure_future(anext(blocked[1]))
        await asyncio.sleep(0)
        await blocked[1].aclose()
        await blocked[0].aclose()
        return await reader

    assert run(llama, use, limits=Limits(max_running=1)).finish_reason in {"cancelled", None}


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_nan_is_the_error_of_evaluation(name):
    model = make_model(name)
    with torch.no_grad():
        model.get_input_embeddings().weight[50] = float("nan")
    damaged, sound = answer(model, [request([50, 51]), request([5, 6])])
    assert isinstance(damaged, EvaluationError)
    assert "NaN" in str(damaged)
    if name != "llama":
        return
    # The output layer is another matrix, so that a prompt without the damaged token is answered.
    assert get_tokens(sound) == generate(model, [5, 6], 12)
    reused = answer(model, [request([50, *range(30, 60)]), *(request([5, 6]) for _ in range(3))])
    assert all(get_tokens(steps) == get_tokens(sound) for steps in reused[1:])


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_the_engine_goes_on_after_a_failed_forward_pass(name, monkeypatch):
    model = make_model(name)
    embed = model.get_input_embeddings()
    forward, faults = embed.forward, []

    def fail_once(ids):
        if faults and ids.numel() < 20:
            faults.pop()
            raise RuntimeError("out of memory")
        return forward(ids)

    monkeypatch.setattr(embed, "forward", fail_once)

    async def use(engine):
        faults.append(1)
        failed = await asyncio.gather(read(engine, request(PROMPTS[6])), return_exceptions=True)
        return failed[0], await read(engine, request(PROMPTS[0]))

    failed, answered = run(model, use)
    assert isinstance(failed, EvaluationError)
    assert get_tokens(answered) == generate(model, PROMPTS[0], 12)


@pytest.mark.parametrize(("timeout", "reasons"), [(30.0, ["length", "cancelled"]), (0.0, ["cancelled"] * 2)])
def test_closing_finishes_running_requests_within_the_time(timeout, reasons):
    model = make_model()
    long = request(PROMPTS[6], max_new_tokens=60, stop_ids=frozenset({0}), logit_bias={0: -100.0})

    async def use(engine):
        running, waiting = (engine.submit(long) for _ in range(2))
        first = await anext(running)
        await engine.close(timeout)
        with pytest.raises(QueueFull):
            engine.submit(long)
        steps = [first, *[step async for step in running]], [step async for step in waiting]
        return [group[-1].finish_reason for group in steps]

    others = set(threading.enumerate())  # of engines that other tests keep
    assert run(model, use, limits=Limits(max_running=1)) == reasons
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name == "seodang-engine"]


def test_a_request_that_must_run_alone_does_not_stall_the_others():
    model = make_model("a window shorter than some rows")
    order = []

    async def follow(engine, name, asked):
        async for step in engine.submit(asked):
            order.append((name, step.finish_reason))  # noqa: PERF401 - in the order of arrival

    async def use(engine):
        long = request(PROMPTS[-3], max_new_tokens=40, stop_ids=frozenset({0}), logit_bias={0: -100.0})
        await asyncio.gather(follow(engine, "alone", long), follow(engine, "batch", request(PROMPTS[6])))

    run(model, use)
    assert len(order) > 40
    assert order.index(("batch", "length")) < 30


def test_an_answer_that_is_not_streamed_comes_in_few_parts(llama, monkeypatch):
    sizes = []

    def put_all(group):
        sizes.append(len(group))
        for channel, item in group:
            channel.put(item)

    monkeypatch.setattr(streams, "_put_all", put_all)
    streamed = request(SHARED, max_new_tokens=70, stop_ids=frozenset({100}))
    [steps] = answer(llama, [streamed])
    assert sizes == [2, *[1] * 68]  # the step that ends a prompt computes the next token, too
    sizes.clear()
    [together] = answer(llama, [replace(streamed, max_delay=math.inf)])
    assert together == steps
    assert sizes == [1, 33, 33, 3]
    times = [step.computed_at for step in together if step.computed_at is not None]
    assert len(times) > 60
    assert times == sorted(set(times))


def test_memory_does_not_grow_with_requests(llama):
    async def use(engine):
        sizes = []
        for _round in range(2):
            await asyncio.gather(*(read(engine, request(prompt, max_new_tokens=2)) for prompt in PROMPTS))
            sizes.append(sum(item.numel() for item in gc.get_objects() if type(item) is torch.Tensor))
        return sizes

    sizes = run(llama, use)
    assert sizes[1] < 1.01 * sizes[0]
