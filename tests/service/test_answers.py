"""Several answers of one request at the same time. Run: pytest tests/service/test_answers.py"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from seodang.errors import ModelError
from seodang.inference.engine import streams
from seodang.inference.engine.contract import EngineStatus, SamplingOptions, TokenRequest, TokenStep
from seodang.inference.engine.streams import Channel, Outbox, StepStream
from seodang.service.answers.answering import AnswerRequest, compute_answers, stream_answer
from seodang.service.answers.reader import AnswerPart, TextRules


@dataclass
class CountingEngine:
    """Answers with one token after a pause, and remembers how many requests it had at the same time."""

    waiting: int = 0
    context_length: int | None = None
    running: int = 0
    peak: int = 0
    requests: list[TokenRequest] = field(default_factory=list)

    async def submit(self, request: TokenRequest) -> AsyncGenerator[TokenStep]:
        self.requests.append(request)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            yield TokenStep(request.prompt[0], None, "length")
        finally:
            self.running -= 1

    def get_failure(self) -> None:
        return None

    def get_status(self) -> EngineStatus:
        return EngineStatus(self.running, self.waiting, 0, 0, 0)

    async def close(self, timeout: float) -> None:
        pass


class Decoder:
    name, tag = "counting", "counting:1"

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(0xAC00 + id) for id in ids)


def answer(engine: CountingEngine, count: int) -> list[str]:
    requests = [AnswerRequest(TokenRequest((n,), SamplingOptions(1)), TextRules((), False, ())) for n in range(count)]
    parts = asyncio.run(compute_answers(engine, Decoder(), requests))
    return [part.text for part in parts]


@pytest.mark.parametrize(("waiting", "peak"), [(0, 48), (1, 16)])
def test_a_large_request_leaves_places_to_others(waiting, peak):
    engine = CountingEngine(waiting)
    assert answer(engine, 128) == [chr(0xAC00 + n) for n in range(128)]
    assert engine.peak == peak
    assert sorted(asked.prompt for asked in engine.requests) == [(n,) for n in range(128)]
    assert engine.running == 0


def test_a_small_request_runs_at_once():
    engine = CountingEngine(waiting=1)
    answer(engine, 4)
    assert engine.peak == 4


@pytest.mark.parametrize(("stops", "max_delay"), [((), math.inf), (("x",), 0.0)])
def test_a_complete_answer_needs_no_step_at_once_but_where_a_text_can_end_it(stops, max_delay):
    engine = CountingEngine()
    request = AnswerRequest(TokenRequest((7,), SamplingOptions(max_new_tokens=1)), TextRules(stops=stops))
    asyncio.run(compute_answers(engine, Decoder(), [request]))
    assert [asked.max_delay for asked in engine.requests] == [max_delay]


class PromptEngine(CountingEngine):
    """Delivers all steps of a script at once, as an engine does that is faster than its reader."""

    def __init__(self, script: list[TokenStep | Exception]) -> None:
        super().__init__()
        self.script = script

    def submit(self, request: TokenRequest) -> StepStream:
        self.requests.append(request)
        channel = Channel(asyncio.get_running_loop(), Outbox(), lambda: None)
        for item in self.script:
            channel.put(item)
        return StepStream(channel)


def read_stream(script: list[TokenStep | Exception], stops: tuple[str, ...] = ()) -> list[AnswerPart | Exception]:
    engine = PromptEngine(script)

    async def read() -> list[AnswerPart | Exception]:
        request = AnswerRequest(TokenRequest((7,), SamplingOptions(max_new_tokens=9)), TextRules(stops=stops))
        parts: list[AnswerPart | Exception] = []
        stream = stream_answer(engine, Decoder(), request)
        while True:
            try:
                parts.append(await anext(stream))
            except StopAsyncIteration:
                return parts
            except Exception as error:
                return [*parts, error]

    return asyncio.run(read())


STEPS = [TokenStep(number) for number in range(4)]


def test_steps_that_wait_for_their_reader_are_one_part():
    [part] = read_stream([*STEPS, TokenStep(4, None, "length")])
    assert part.text == "가각갂갃간"
    assert [token.id for token in part.tokens] == [0, 1, 2, 3, 4]
    assert (part.completion_tokens, part.finish_reason) == (5, "length")


@pytest.mark.parametrize("end", [ModelError("broken"), TokenStep(None, None, "cancelled")])
def test_what_was_computed_before_a_failure_is_sent_before_it(end):
    part, error = read_stream([*STEPS, end])
    assert part.text == "가각갂갃"
    assert isinstance(error, Exception)


def test_a_stop_text_ends_an_answer_whose_later_steps_are_there():
    [part] = read_stream([*STEPS, TokenStep(4, None, "length")], stops=("갂",))
    assert (part.text, part.finish_reason, part.completion_tokens) == ("가각", "stop", 3)


@pytest.mark.parametrize(
    ("max_delay", "sizes"),
    [(0.0, [1] * 17), (4.0, [1, 1, 1, 2, 4, 4, 4]), (math.inf, [1, 16])],
)
def test_steps_are_delivered_together_within_a_delay_that_grows_from_nothing(max_delay, sizes, monkeypatch):
    clock = map(float, range(100))
    monkeypatch.setattr(streams, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    delivered: list[int] = []

    async def deliver() -> None:
        outbox = Outbox()
        channel = Channel(asyncio.get_running_loop(), outbox, lambda: None, max_delay=max_delay)
        for number in range(17):
            channel.deliver(TokenStep(number, None, "length" if number == 16 else None))
            outbox.flush()
            await asyncio.sleep(0)
            count = 0
            while channel.has_step():
                await channel.get()
                count += 1
            delivered.append(count)

    asyncio.run(deliver())
    assert [count for count in delivered if count] == sizes
