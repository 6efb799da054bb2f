"""Limits of each key: requests per minute, and requests at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from seodang.errors import SeodangError
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.rate_limits import RateLimits
from seodang.service.web_app import create_app

KEYS = "ann:0123456789abcdef,ben/3:fedcba9876543210"
ANN, BEN = ({"Authorization": f"Bearer {key}"} for key in ("0123456789abcdef", "fedcba9876543210"))


class Clock:
    """Time that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(served, clock) -> Callable[..., TestClient]:
    def limit(keys: str = KEYS, context: ServiceContext = served, **variables: str) -> TestClient:
        rates = RateLimits({f"SEODANG_{name}": value for name, value in variables.items()}, clock)
        app = create_app(context, keys=ApiKeys({"SEODANG_API_KEYS": keys}), rates=rates)
        return TestClient(app, base_url="http://127.0.0.1")

    return limit


def post(client: TestClient, headers: dict[str, str] | None = None) -> Any:
    return client.post("/tokenize", json={"prompt": "가"}, headers=headers)


def test_a_key_gets_429_after_its_requests_per_minute(limit):
    client = limit(REQUESTS_PER_MINUTE="2")
    assert [post(client, ANN).status_code for _ in range(3)] == [200, 200, 429]
    error = post(client, ANN).json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert post(client, BEN).status_code == 200  # another key has requests of its own


def test_a_key_may_have_a_limit_of_its_own(limit):
    client = limit()
    assert [post(client, BEN).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [post(client, ANN).status_code for _ in range(10)] == [200] * 10


def test_retry_after_is_the_time_until_a_request_is_accepted(limit, clock):
    client = limit(REQUESTS_PER_MINUTE="7")
    while (reply := post(client, ANN)).status_code == 200:
        clock.now += 0.01
    seconds = int(reply.headers["Retry-After"])
    assert seconds == 9  # 60 / 7, rounded up
    clock.now += seconds - 1
    assert post(client, ANN).status_code == 429
    clock.now += 1
    assert post(client, ANN).status_code == 200


def test_the_headers_count_down_and_up_again(limit, clock):
    client = limit(REQUESTS_PER_MINUTE="60")
    headers = [post(client, ANN).headers for _ in range(3)]
    assert [each["x-ratelimit-remaining-requests"] for each in headers] == ["59", "58", "57"]
    assert {each["x-ratelimit-limit-requests"] for each in headers} == {"60"}
    assert headers[2]["x-ratelimit-reset-requests"] == "3.000s"
    clock.now += 2
    assert post(client, ANN).headers["x-ratelimit-remaining-requests"] == "58"
    clock.now += 10**6
    assert post(client, ANN).headers["x-ratelimit-remaining-requests"] == "59"


def test_a_refused_request_has_the_headers_too(limit):
    client = limit(REQUESTS_PER_MINUTE="1")
    post(client, ANN)
    headers = post(client, ANN).headers
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] == "60.000s"
    assert headers["Retry-After"] == "60"


def test_without_a_limit_there_are_no_headers(limit):
    assert not [name for name in post(limit(), ANN).headers if name.startswith("x-ratelimit")]


def test_without_keys_all_clients_share_the_limit(limit):
    client = limit(keys="", REQUESTS_PER_MINUTE="2")
    assert [post(client).status_code for _ in range(3)] == [200, 200, 429]


def test_reading_and_probes_are_not_limited(limit):
    client = limit(REQUESTS_PER_MINUTE="1")
    post(client, ANN)
    for path in ("/v1/models", "/lineage", "/livez", "/readyz", "/metrics"):
        assert client.get(path, headers=ANN).status_code == 200


def test_a_request_without_a_valid_key_takes_nothing(limit):
    client = limit(REQUESTS_PER_MINUTE="1")
    assert post(client, {"Authorization": "Bearer wrong"}).status_code == 401
    assert post(client, ANN).status_code == 200


def test_a_rotated_key_keeps_the_count_of_its_name_and_a_new_limit_holds_at_once(served, clock):
    environment = {"SEODANG_API_KEYS": "ann/1:0123456789abcdef"}
    app = create_app(served, keys=ApiKeys(environment), rates=RateLimits({}, clock))
    client = TestClient(app, base_url="http://127.0.0.1")
    assert [post(client, ANN).status_code for _ in range(2)] == [200, 429]
    environment["SEODANG_API_KEYS"] = "ann/1:fedcba9876543210"
    assert post(client, BEN).status_code == 429
    environment["SEODANG_API_KEYS"] = "ann/2:fedcba9876543210"
    assert [post(client, BEN).status_code for _ in range(3)] == [200, 200, 429]


def test_a_key_may_have_a_number_of_requests_at_the_same_time(script, limit):
    scripted, engine = script([5, -1])
    app = limit(context=scripted.app.state.context, CONCURRENT_REQUESTS="2").app

    async def use() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=ANN) as client:
            body = {"prompt": "가", "max_tokens": 9}
            running = [asyncio.create_task(client.post("/v1/completions", json=body)) for _ in range(2)]
            while engine.running < 2:
                await asyncio.sleep(0)
            refused = await client.post("/v1/completions", json=body)
            other = await client.post("/tokenize", json={"prompt": "가"}, headers=BEN)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            while engine.running:
                await asyncio.sleep(0)
            return [refused, other, await client.post("/tokenize", json={"prompt": "가"})]

    refused, other, later = asyncio.run(asyncio.wait_for(use(), 60))
    assert refused.json()["error"]["code"] == "too_many_concurrent_requests"
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert (other.status_code, later.status_code) == (200, 200)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "٣", "9" * 30])
@pytest.mark.parametrize("name", ["SEODANG_REQUESTS_PER_MINUTE", "SEODANG_CONCURRENT_REQUESTS"])
def test_a_wrong_limit_is_an_error_at_start(name, value):
    with pytest.raises(SeodangError, match=name):
        RateLimits({name: value})


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_limit_is_none(value):
    assert RateLimits({"SEODANG_REQUESTS_PER_MINUTE": value}).take("ann") is None
