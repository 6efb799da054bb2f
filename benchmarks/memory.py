"""Memory of the service over many requests: does it reach a plateau, and does it rise afterwards?

The application runs in this process without a server, so that a request costs little beside the model. Prints the
memory at each step, and its slope over the last three quarters of the requests with a 95 % interval.

    python benchmarks/memory.py --model artifacts/package/model --load hostile --count 20000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

sys.path.insert(0, str(Path(__file__).parent))
from hostile_bodies import make_body
from soak import make_request

_KEYS: Final = {f"client{number}": f"key-{number:04d}-0123456789" for number in range(20)}
_WORDS: Final = "배우들의 연기가 정말 좋았다 이 영화는 너무 지루해 the film was great and long".split()
LOADS: Final = ("mixed", "hostile", "grammars", "lengths", "aborted", "keys")


def make_load(load: str, number: int) -> tuple[str, str, bytes]:
    """Return method, path and body of a request."""
    rng = random.Random(number)
    text = " ".join(rng.choices(_WORDS, k=rng.randint(1, 60 if load == "lengths" else 12)))
    chat: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "max_tokens": rng.randint(1, 8)}
    if load == "hostile":
        return ("POST", *make_body(number))
    if load == "grammars":
        name = f"field{number}"
        schema = {"type": "object", "properties": {name: {"type": "string", "maxLength": 3 + number % 90}}}
        chat |= rng.choice(
            [
                {"guided_regex": f"{name}|[가-힣]{{1,{1 + number % 40}}}"},
                {"guided_choice": [name * 20, text]},
                {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
            ]
        )
    elif load == "lengths":
        chat["max_tokens"] = rng.randint(1, 24)
        chat["messages"] = [{"role": role, "content": text} for role in ["user", "assistant"] * rng.randint(0, 3)]
        chat["messages"].append({"role": "user", "content": text})
    elif load == "aborted":
        chat |= {"stream": rng.random() < 0.5, "n": rng.randint(1, 3)}
    elif load == "mixed":
        _kind, path, body = make_request(rng)
        return ("GET" if body is None else "POST", path, json.dumps(body).encode())
    return "POST", "/v1/chat/completions", json.dumps(chat).encode()


async def call(app: Any, load: str, number: int) -> int:
    """Send a request to the application, and return the status; 0 if the client went before."""
    method, path, body = make_load(load, number)
    rng = random.Random(-number)
    headers = [(b"content-type", b"application/json"), (b"x-request-id", f"request-{number}".encode())]
    if load == "keys":
        key = rng.choice([*_KEYS.values(), f"unknown-{number}"])
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers, "state": {},
        "client": ("127.0.0.1", number % 60_000), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    statuses: list[int] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not waiting:  # the client stays until it has its answer, or goes
            await (asyncio.sleep(rng.uniform(0, 0.05)) if load == "aborted" else asyncio.Event().wait())
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0] if statuses else 0


async def send_all(app: Any, load: str, count: int, clients: int) -> tuple[list[float], Counter[int]]:
    """Send the requests; return the resident memory in MB at 80 equal steps, and the statuses."""
    process, numbers, memory = psutil.Process(), iter(range(count)), []
    statuses: Counter[int] = Counter()
    step = max(1, count // 80)

    async def work() -> None:
        for number in numbers:
            statuses[await call(app, load, number)] += 1
            if statuses.total() % step == 0:
                memory.append(process.memory_info().rss / 2**20)
                print(statuses.total(), round(memory[-1], 1), file=sys.stderr, flush=True)

    await asyncio.gather(*(work() for _ in range(clients)))
    return memory, statuses


def fit_slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope of values per step, and the half width of its 95 % interval.

    Neighbouring values are alike. So the interval is that of the means of ten equal parts, with Student's t.
    """
    size = len(values) // 10
    means = [sum(values[index * size : (index + 1) * size]) / size for index in range(10)]
    center, mean = 4.5, sum(means) / 10
    spread = sum((x - center) ** 2 for x in range(10))
    slope = sum((x - center) * (y - mean) for x, y in enumerate(means)) / spread
    rest = sum((y - mean - slope * (x - center)) ** 2 for x, y in enumerate(means))
    return slope / size, 2.306 * math.sqrt(rest / 8 / spread) / size


def report(memory: Sequence[float], statuses: Counter[int], count: int) -> dict[str, Any]:
    """Return the figures of a run."""
    slope, width = fit_slope(memory[len(memory) // 4 :])
    per_1000 = 1000 * len(memory) / count
    return {
        "requests": count,
        "statuses": dict(sorted(statuses.items())),
        "memory_mb": [round(value) for value in memory[:: max(1, len(memory) // 16)]],
        "last_mb": round(memory[-1], 1),
        "mb_per_1000_requests": [round((slope + sign * width) * per_1000, 3) for sign in (-1, 0, 1)],
    }


def main() -> int:
    """Run a load and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("artifacts/package/model"))
    parser.add_argument("--load", choices=LOADS, default="mixed")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    from seodang.service.http.api_keys import ApiKeys
    from seodang.service.http.rate_limits import PER_MINUTE, RateLimits
    from seodang.service.model.loading import load_context
    from seodang.service.web_app import create_app

    keys = ",".join(f"{name}:{key}" for name, key in _KEYS.items()) if options.load == "keys" else ""
    app = create_app(
        load_context(options.model, "memory:0"),
        keys=ApiKeys({"SEODANG_API_KEYS": keys}),
        rates=RateLimits({PER_MINUTE: "1000000"}),
    )
    memory, statuses = asyncio.run(send_all(app, options.load, options.count, options.clients))
    print(json.dumps({"load": options.load, **report(memory, statuses, options.count)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
