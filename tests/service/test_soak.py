"""The service under load for minutes: nothing is lost and its memory is flat. Run: make soak"""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from benchmarks.soak import Result, report, soak, start_server

_SLOPE = 5.0  # MB per minute


@pytest.mark.parametrize(
    ("clients", "seconds", "requests"),
    [
        pytest.param(8, 60, 300, marks=pytest.mark.slow, id="short"),
        pytest.param(64, float(os.environ.get("SOAK_SECONDS", "600")), None, marks=pytest.mark.soak, id="soak"),
        pytest.param(16, 3600, 10_000, marks=pytest.mark.soak, id="10,000 requests"),
    ],
)
@pytest.mark.timeout(4000)
def test_every_request_is_answered_or_refused_and_memory_is_flat(packaged_model, tmp_path, clients, seconds, requests):
    log = tmp_path / "log"
    process, url = start_server(packaged_model, log)
    try:
        result = asyncio.run(soak(url, process.pid, clients=clients, seconds=seconds, requests=requests))
        print(report(result))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert not result.lost
    assert result.outcomes.total() >= clients
    if len(result.memory) > 120:  # the first minute fills caches
        assert result.slope < _SLOPE
    assert "Traceback" not in log.read_text("utf-8")


def test_what_is_lost_is_found():
    result = Result()
    result.outcomes.update({"chat 200": 3, "abort aborted": 1, "chat 500": 1, "stream cut": 2, "chat ReadError": 1})
    assert result.lost == {"chat 500": 1, "stream cut": 2, "chat ReadError": 1}
    result.memory = [(float(second), 100 + second / 60) for second in range(600)]
    assert result.slope == pytest.approx(1.0)
