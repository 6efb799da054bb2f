"""Several answers of one request at the same time. Run: pytest tests/service/test_answers.py"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from seodang.inference.engine.contract import EngineStatus, SamplingOptions, TokenRequest, TokenStep
from seodang.service.answers.answering import AnswerRequest, compute_answers
from seodang.service.answers.reader import TextRules


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


@pytest.mark.parametrize(("stops", "is_streamed"), [((), False), (("x",), True)])
def test_a_complete_answer_needs_no_step_at_once_but_where_a_text_can_end_it(stops, is_streamed):
    engine = CountingEngine()
    request = AnswerRequest(TokenRequest((7,), SamplingOptions(max_new_tokens=1)), TextRules(stops=stops))
    asyncio.run(compute_answers(engine, Decoder(), [request]))
    assert [asked.is_streamed for asked in engine.requests] == [is_streamed]
