"""What every engine must do: one function for each rule of the contract.

The functions get an EngineCase and run in the event loop of its engine. What they compare with is computed here, by a
plain forward pass for each token, so that no engine is its own measure.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
import torch

from seodang.errors import ModelError
from seodang.inference.engine.contract import (
    Engine,
    EngineLoad,
    EngineStopped,
    QueueFull,
    SamplingOptions,
    TokenRequest,
    TokenStep,
)
from seodang.inference.engine.scheduler import Limits

END: Final = 1
VOCABULARY: Final = 100
CONTEXT: Final = 256
LIMITS: Final = Limits(max_running=4, max_waiting=4)
PLACES: Final = 8
PROMPT: Final = tuple(range(5, 40))
PROMPTS: Final = (PROMPT, PROMPT[:7], PROMPT[::-1], (50,), tuple((7 * n) % 90 + 5 for n in range(60)))


@dataclass(frozen=True)
class EngineCase:
    """A running engine, and what to compare it with."""

    engine: Engine
    model: Any
    """Of transformers, with the weights of the engine; computes logits."""
    kill: Callable[[], None]
    """Ends the engine as a crash does."""
    unknown_adapter: str | None = "nobody"
    """None: the engine gives each request its adapter."""
    scores_full_context: bool = True
    """Whether a prompt as long as the context is scored, not refused."""
    can_guide: bool = True
    caches_prefixes: bool = True
    others: tuple[EngineCase, ...] = ()
    """Other adapters of the same base, and the base, in the same engine."""


Check = Callable[[EngineCase], Awaitable[None]]


def build_request(prompt: Sequence[int] = PROMPT, prompt_logprobs: int | None = None, **options: Any) -> TokenRequest:
    """Return a request for up to 12 tokens."""
    return TokenRequest(
        tuple(prompt), SamplingOptions(**{"max_new_tokens": 12, **options}), prompt_logprobs=prompt_logprobs
    )


def build_long_request() -> TokenRequest:
    """Return a request that takes 200 steps."""
    return build_request(max_new_tokens=200, stop_ids=frozenset({END}), logit_bias={END: -100.0})


async def read(case: EngineCase, request: TokenRequest) -> list[TokenStep]:
    """Return the steps of an answer."""
    return [step async for step in case.engine.submit(request)]


async def read_tokens(case: EngineCase, request: TokenRequest) -> list[int | None]:
    """Return the tokens of an answer."""
    return [step.token for step in await read(case, request)]


def compute_logprobs(case: EngineCase, ids: Sequence[int]) -> torch.Tensor:
    """Return the log-probabilities of the token after each position."""
    with torch.inference_mode():
        return torch.log_softmax(case.model(input_ids=torch.tensor([list(ids)])).logits[0].float(), dim=-1)


def continue_greedily(case: EngineCase, request: TokenRequest) -> list[int]:
    """Return the greedy answer, one forward pass of all tokens for each: OpenAI's formula of the penalties."""
    options, ids, answer = request.options, list(request.prompt), []
    stops = options.stop_ids or {END}
    limit = case.engine.context_length or CONTEXT
    for _ in range(min(options.max_new_tokens, limit - len(ids))):
        scores = compute_logprobs(case, ids)[-1].clone()
        for token in set(answer):
            scores[token] -= answer.count(token) * options.frequency_penalty + options.presence_penalty
        for token, bias in options.logit_bias.items():
            scores[token] += bias
        answer.append(int(scores.argmax()))
        ids.append(answer[-1])
        if answer[-1] in stops:
            break
    return answer


async def check_greedy_answers(case: EngineCase) -> None:
    """Greedy tokens, penalties, biases and end tokens; only the last step has a finish reason."""
    requests = [build_request(prompt) for prompt in PROMPTS]
    longer = {"max_new_tokens": 20, "logit_bias": {END: -100.0}}
    requests.append(build_request(**longer))
    requests.append(build_request(presence_penalty=2.0, **longer))
    requests.append(build_request(frequency_penalty=2.0, **longer))
    requests.append(build_request(max_new_tokens=6, logit_bias={17: 100.0, 3: -100.0}))
    tokens = 999 if case.engine.context_length else 11
    requests.append(
        build_request(PROMPT * 7, max_new_tokens=tokens, stop_ids=frozenset({END}), logit_bias={END: -100.0})
    )
    for request in requests:
        steps = await read(case, request)
        expected = continue_greedily(case, request)
        assert [step.token for step in steps] == expected
        assert all(step.finish_reason is None for step in steps[:-1])
        is_ended = expected[-1] in (request.options.stop_ids or {END})
        assert steps[-1].finish_reason == ("stop" if is_ended else "length")


async def check_end_tokens(case: EngineCase) -> None:
    """The end tokens of a request replace those of the model, and the one that ends an answer is delivered."""
    tokens = continue_greedily(case, build_request(stop_ids=frozenset({0})))
    end = tokens[3]
    steps = await read(case, build_request(stop_ids=frozenset({end})))
    assert [step.token for step in steps] == tokens[: tokens.index(end) + 1]
    assert steps[-1].finish_reason == "stop"
    biased = build_request(max_new_tokens=3, logit_bias={END: 100.0})
    assert [(step.token, step.finish_reason) for step in await read(case, biased)] == [(END, "stop")]
    passed = build_request(max_new_tokens=3, logit_bias={END: 100.0}, stop_ids=frozenset({2}))
    assert [(step.token, step.finish_reason) for step in await read(case, passed)][-1] == (END, "length")


async def check_no_new_tokens(case: EngineCase) -> None:
    """An answer without tokens has one step, which has the log-probabilities of the prompt."""
    (plain,) = await read(case, build_request(max_new_tokens=0))
    assert (plain.token, plain.finish_reason, plain.prompt_logprobs) == (None, "length", None)
    (step,) = await read(case, build_request(max_new_tokens=0, prompt_logprobs=2))
    assert (step.token, step.finish_reason) == (None, "length")
    assert step.prompt_logprobs is not None
    assert len(step.prompt_logprobs) == len(PROMPT)


async def check_prompt_log_probabilities(case: EngineCase) -> None:
    """Those of a forward pass; the first token has none, and the first step alone delivers them."""
    steps = await read(case, build_request(max_new_tokens=3, prompt_logprobs=2))
    assert [step.prompt_logprobs is None for step in steps[1:]] == [True] * len(steps[1:])
    found = steps[0].prompt_logprobs
    assert found is not None
    assert found[0] is None
    expected = compute_logprobs(case, PROMPT)
    for position, value in enumerate(found[1:], 1):
        assert value is not None
        assert value.logprob == pytest.approx(float(expected[position - 1, PROMPT[position]]), abs=1e-4)
        assert [token for token, _ in value.alternatives] == expected[position - 1].topk(2).indices.tolist()


async def check_log_probabilities(case: EngineCase) -> None:
    """Those of a forward pass, before penalties, bias and temperature; as many alternatives as asked for."""
    options = {"temperature": 0.7, "seed": 5, "frequency_penalty": 1.0, "logit_bias": {17: 3.0}}
    for count in (0, 3):
        steps = await read(case, build_request(top_logprobs=count, **options))
        ids = list(PROMPT)
        for step in steps:
            assert step.token is not None
            assert step.logprob is not None
            expected = compute_logprobs(case, ids)[-1]
            assert step.logprob.logprob == pytest.approx(float(expected[step.token]), abs=1e-4)
            assert [token for token, _ in step.logprob.alternatives] == expected.topk(count).indices.tolist()
            values = [value for _, value in step.logprob.alternatives]
            assert values == pytest.approx(expected.topk(count).values.tolist(), abs=1e-4)
            assert all(map(math.isfinite, values))
            ids.append(step.token)
    assert all(step.logprob is None for step in await read(case, build_request()))


async def check_seeds(case: EngineCase) -> None:
    """Equal seeds give equal tokens, whatever else runs; other seeds, and no seed, vary."""

    def sample(seed: int | None) -> Awaitable[list[int | None]]:
        return read_tokens(case, build_request(temperature=1.5, seed=seed, logit_bias={END: -100.0}))

    alone = await sample(3)
    together = await asyncio.gather(*(sample(seed) for seed in (3, 4, 3, None, None)))
    assert together[0] == together[2] == alone
    assert len({tuple(tokens) for tokens in together}) == 4


async def check_top_p(case: EngineCase) -> None:
    """The smallest part of the probability leaves the most likely token alone."""
    request = build_request(temperature=2.0, top_p=1e-6, seed=1)
    assert await read_tokens(case, request) == continue_greedily(case, build_request())


async def check_independence(case: EngineCase) -> None:
    """A greedy answer is the same alone and beside others, which come and go."""
    requests = [build_request(prompt, max_new_tokens=5 + 3 * n) for n, prompt in enumerate(PROMPTS)]
    alone = [await read_tokens(case, request) for request in requests]
    assert await asyncio.gather(*(read_tokens(case, request) for request in requests)) == alone


async def check_errors(case: EngineCase) -> None:
    """What cannot be computed is an error of its own answer, and those beside it are answered."""
    bad = [build_request(()), build_request((VOCABULARY,)), build_request((-1,))]
    if case.engine.context_length is not None:
        bad.append(build_request((5,) * (CONTEXT + 1)))
    bad.append(build_request(logit_bias={VOCABULARY: 1.0}))
    if case.unknown_adapter is not None:
        bad.append(TokenRequest(PROMPT, SamplingOptions(max_new_tokens=1), case.unknown_adapter))
    good = continue_greedily(case, build_request())
    for request in bad:
        failed, tokens = await asyncio.gather(
            read(case, request), read_tokens(case, build_request()), return_exceptions=True
        )
        assert isinstance(failed, ModelError)
        assert tokens == good
    assert case.engine.get_failure() is None


async def check_end_of_context(case: EngineCase) -> None:
    """An answer ends where the context ends."""
    if case.engine.context_length is None:
        return
    assert case.engine.context_length == CONTEXT
    steps = await read(case, build_request((7,) * (CONTEXT - 1)))
    assert len(steps) == 1
    assert steps[0].finish_reason in ("length", "stop")
    if case.scores_full_context:
        (step,) = await read(case, build_request((7,) * CONTEXT))
        assert (step.token, step.finish_reason) == (None, "length")


async def check_guide(case: EngineCase) -> None:
    """An answer keeps its grammar, or the engine refuses the request."""
    guide = OnlyTokens((20, 21))
    request = build_request(max_new_tokens=5, guide=guide, logit_bias={20: -5.0})
    if not case.can_guide:
        with pytest.raises(ModelError):
            await read(case, request)
        return
    assert await read_tokens(case, request) == [20, 21, END]


async def check_queue(case: EngineCase) -> None:
    """A full queue refuses at once. Closing an answer frees its place at once, and its slot within a step."""
    streams = [case.engine.submit(build_long_request()) for _ in range(PLACES)]
    first = await anext(streams[0])
    assert first.token is not None
    with pytest.raises(QueueFull):
        case.engine.submit(build_long_request())
    reader = asyncio.create_task(anext(streams[-1]))
    await asyncio.sleep(0)
    await close(streams[-1])
    assert (await reader).finish_reason in ("cancelled", None)  # a task that waits in it ends, too
    streams[-1] = case.engine.submit(build_long_request())
    status = case.engine.get_status()
    assert status.running + status.waiting > 0
    for stream in streams:
        await close(stream)
        assert [step async for step in stream] == []
    await wait_until_idle(case)
    assert await read_tokens(case, build_request()) == continue_greedily(case, build_request())


async def check_dropped_readers(case: EngineCase) -> None:
    """Whoever drops an answer frees its place."""
    for _ in range(2 * PLACES):
        stream = case.engine.submit(build_long_request())
        await anext(stream)
        status = case.engine.get_status()
        assert status.running + status.waiting <= 2  # the step that is being computed may still have the one before
        del stream
    await wait_until_idle(case)


async def check_status(case: EngineCase) -> None:
    """Status and observer report requests, and tokens that the prefix cache had."""
    loads: list[EngineLoad] = []

    class Observer:
        def observe_load(self, load: EngineLoad) -> None:
            loads.append(load)

        def observe_batch(self, adapter: str | None, rows: int) -> None:
            assert rows > 0

        def observe_stall(self, seconds: float) -> None:
            assert seconds < LIMITS.step_seconds

    engine: Any = getattr(case.engine, "shared", case.engine)
    engine.set_observer(Observer())
    before = case.engine.get_status()
    for _ in range(2):
        await read(case, build_request(PROMPT * 4, max_new_tokens=1))
    after = case.engine.get_status()
    if case.caches_prefixes:
        assert after.prefix_queries - before.prefix_queries == 2 * len(PROMPT * 4)
        assert after.prefix_hits > before.prefix_hits
    await asyncio.gather(*(read(case, build_request(max_new_tokens=8)) for _ in range(PLACES)))
    await wait_until_idle(case)
    sums = [(sum(load.running.values()), sum(load.waiting.values())) for load in loads]
    assert max((running for running, _ in sums), default=0) == LIMITS.max_running
    assert max((waiting for _, waiting in sums), default=0) == LIMITS.max_waiting
    assert sums[-1] == (0, 0)


async def check_close(case: EngineCase) -> None:
    """Closing cancels what does not end in time, and refuses more; that is no failure."""
    running = case.engine.submit(build_long_request())
    first = await anext(running)
    await case.engine.close(0)
    steps = [first, *[step async for step in running]]
    assert steps[-1].finish_reason == "cancelled"
    with pytest.raises(QueueFull):
        case.engine.submit(build_request())
    assert case.engine.get_failure() is None
    await case.engine.close(0)


async def check_close_in_time(case: EngineCase) -> None:
    """Closing finishes what ends in time."""
    stream = case.engine.submit(build_request())
    first = await anext(stream)
    await case.engine.close(60)
    tokens = [first.token, *[step.token async for step in stream]]
    assert tokens == continue_greedily(case, build_request())


async def check_death(case: EngineCase) -> None:
    """An engine that has ended by itself ends all requests with the reason, refuses more, and can be closed."""
    streams = [case.engine.submit(build_long_request()) for _ in range(PLACES)]
    await anext(streams[0])
    assert case.engine.get_failure() is None
    case.kill()
    first, *others = await asyncio.gather(*map(exhaust, streams), return_exceptions=True)
    # An engine that answers one request after the other may be killed between two of them.
    assert first is None or isinstance(first, EngineStopped)
    assert [type(error) for error in others] == [EngineStopped] * (PLACES - 1)
    assert isinstance(case.engine.get_failure(), EngineStopped)
    with pytest.raises(EngineStopped):
        await read(case, build_request())
    await case.engine.close(0)
    assert isinstance(case.engine.get_failure(), EngineStopped)


async def check_adapters(case: EngineCase) -> None:
    """Each adapter, and the base, answers by its own weights, also where they have read the same prompt before."""
    request = build_request(PROMPT * 4, logit_bias={END: -100.0}, stop_ids=frozenset({END}))
    cases = [case, *case.others]
    expected = [continue_greedily(each, request) for each in cases]
    assert len({tuple(tokens) for tokens in expected}) == len(cases)
    for _ in range(2):  # one after the other, from the prefix cache at the second time, and side by side
        assert [await read_tokens(each, request) for each in cases] == expected
        assert await asyncio.gather(*(read_tokens(each, request) for each in cases)) == expected


CHECKS: Final[dict[str, Check]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_greedy_answers,
        check_end_tokens,
        check_no_new_tokens,
        check_prompt_log_probabilities,
        check_log_probabilities,
        check_seeds,
        check_top_p,
        check_independence,
        check_errors,
        check_end_of_context,
        check_guide,
        check_queue,
        check_dropped_readers,
        check_status,
        check_adapters,
    )
}
"""They leave the engine as it was."""
ENDS: Final[dict[str, Check]] = {
    check.__name__.removeprefix("check_"): check for check in (check_close, check_close_in_time, check_death)
}
"""They end the engine."""


class OnlyTokens:
    """A guide that allows given tokens, one after the other, and then the end."""

    grammar = ""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = list(tokens)

    def start(self) -> OnlyTokens:
        return OnlyTokens(self._tokens)

    def find_allowed(self, stop_ids: frozenset[int]) -> Any:
        allowed = torch.zeros(VOCABULARY, dtype=torch.bool).numpy()
        allowed[[self._tokens[0]] if self._tokens else sorted(stop_ids)] = True
        return allowed

    def advance(self, token: int) -> None:
        assert token == self._tokens.pop(0)


async def exhaust(stream: AsyncIterator[TokenStep]) -> None:
    """Read a stream to its end."""
    async for _step in stream:
        pass


async def close(stream: Any) -> None:
    """Close a stream before its end."""
    await stream.aclose()


async def wait_until_idle(case: EngineCase) -> None:
    """Wait until the engine has no request."""
    for _ in range(200):
        status = case.engine.get_status()
        if status.running == status.waiting == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"requests that were closed still run: {status}")
