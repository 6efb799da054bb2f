"""Requests leave nothing behind. `benchmarks/memory.py` measures memory over many requests.

Run: pytest tests/service/test_memory.py
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest
from benchmarks.memory import LOADS, call, fit_slope, make_load, report

from seodang.inference.guides import compiler
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.rate_limits import RateLimits
from seodang.service.web_app import create_app

COUNT = 30
_PARTS = 10  # threads of other tests in this process make and drop objects, too


def count_objects(app, load, first):
    async def send():
        return [await call(app, load, number) for number in range(first, first + COUNT)]

    statuses = asyncio.run(send())
    gc.collect()
    return len(gc.get_objects()), statuses


@pytest.fixture
def no_log() -> Iterator[None]:
    """Pytest keeps the records of the log until a test ends."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("no_log")
@pytest.mark.parametrize("load", LOADS)
def test_requests_of_any_kind_leave_no_objects(served_chat, load, monkeypatch):
    monkeypatch.setattr(compiler, "_CACHED_GUIDES", 4)
    monkeypatch.setattr(served_chat.ratings, "_limit", 8)  # of the answers that may still be rated
    app = create_app(served_chat, keys=ApiKeys({}), rates=RateLimits({}))
    rises, before = [], None
    for part in range(_PARTS):
        count, statuses = count_objects(app, load, part * COUNT)
        assert any(status in (0, 200) for status in statuses)
        if before is not None:
            rises.append(count - before)
            if rises[-1] < COUNT / 2:  # a leak of one object for each request makes every part rise by more
                return
        before = count
    pytest.fail(f"objects that {COUNT} requests leave, in each part: {rises}")


def test_requests_of_a_load_differ():
    for load in LOADS:
        assert len({make_load(load, number) for number in range(40)}) > 30


def test_a_rise_is_found():
    flat, rising = [5.0, 5.2] * 40, [5.0 + 0.01 * index for index in range(80)]
    slope, width = fit_slope(flat)
    assert abs(slope) <= width + 1e-9
    slope, width = fit_slope(rising)
    assert slope == pytest.approx(0.01)
    assert slope > width
    assert report(rising, {200: 800}, 800)["mb_per_1000_requests"] == pytest.approx([1.0, 1.0, 1.0])
