"""Soak test of the service: many clients, mixed routes, aborted streams and errors, for minutes.

Starts the service with a packaged model under uvicorn alone, or uses one that runs. Every request must be answered or
refused with a documented status, and the memory of the server must stay flat.

    python benchmarks/soak.py --model artifacts/package/model --seconds 600 --clients 64
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

_STATUSES: Final = frozenset({200, 400, 404, 405, 413, 429, 503})  # an HTTP client may see these, without keys
_KOREAN: Final = ("이 영화는 너무 지루해", "배우들의 연기가 정말 좋았다", "질문에 알맞은 답변을 쓰세요")
_SERVER: Final = """
import sys
from pathlib import Path
import uvicorn
from seodang.service.telemetry.json_log import set_up_json_log
from seodang.service.model.loading import load_context
from seodang.service.web_app import create_app
set_up_json_log()
uvicorn.run(create_app(load_context(Path(sys.argv[1]), "soak:0")), port=int(sys.argv[2]), log_level="warning")
"""


@dataclass
class Result:
    """What the clients saw, and the memory of the server."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """By route and outcome: a status, `aborted`, or the class of an error, which is a lost request."""
    seconds: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Time since the start in s, resident memory in MB."""

    @property
    def lost(self) -> dict[str, int]:
        """Requests that got no answer, or one with an undocumented status."""
        good = {"aborted", *map(str, _STATUSES)}
        return {name: count for name, count in self.outcomes.items() if name.rpartition(" ")[2] not in good}

    @property
    def slope(self) -> float:
        """Growth of the memory in MB per minute, by least squares over the second half."""
        points = self.memory[len(self.memory) // 2 :]
        if len(points) < 2:
            return 0.0
        mean_x = sum(x for x, _y in points) / len(points)
        mean_y = sum(y for _x, y in points) / len(points)
        spread = sum((x - mean_x) ** 2 for x, _y in points)
        return 60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def make_request(rng: random.Random) -> tuple[str, str, Any]:
    """Return kind, path and body of a request; one in six is an error."""
    text = " ".join(rng.choices(_KOREAN, k=rng.randint(1, 3)))
    chat = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": rng.randint(1, 16),
        "seed": rng.randint(0, 9),
    }
    if rng.random() < 0.5:
        chat["temperature"] = 1.0
    name = f"field{rng.randrange(10**9)}"  # each grammar is a new one
    schema = {"type": "object", "properties": {name: {"enum": ["예", "아니요"]}}, "required": [name]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return rng.choice(
        [
            ("generate", "/generate", {"instruction": text, "max_new_tokens": rng.randint(1, 16)}),
            ("chat", "/v1/chat/completions", {**chat, "n": rng.choice([1, 1, 3])}),
            ("stream", "/v1/chat/completions", {**chat, "stream": True, "stream_options": {"include_usage": True}}),
            ("abort", "/v1/chat/completions", {**chat, "stream": True, "max_tokens": 16}),
            ("hangup", "/v1/chat/completions", {**chat, "n": 4}),
            ("completion", "/v1/completions", {"prompt": [text, text], "max_tokens": 4, "echo": True, "logprobs": 2}),
            ("choose", "/choose", {"instruction": text, "options": ["긍정", "부정"]}),
            ("batch", "/batch", {"records": [{"instruction": text}] * rng.randint(1, 8), "max_new_tokens": 8}),
            ("form", "/v1/chat/completions", {**chat, "response_format": form}),
            (
                "guide",
                "/generate",
                {"instruction": text, "max_new_tokens": 8, "guided_regex": f"{name}|[가-힣]{{1,9}}"},
            ),
            ("tokenize", "/tokenize", {"prompt": text * 20}),
            ("models", "/v1/models", None),
            ("error", "/generate", {"instruction": "", text: 1}),
            ("error", "/nowhere", {"a": [text] * 100}),
        ]
    )


async def send(client: httpx.AsyncClient, rng: random.Random, kind: str, path: str, body: Any) -> str:
    """Send a request and return its outcome."""
    try:
        if kind == "hangup":
            async with asyncio.timeout(rng.uniform(0, 0.1)):
                return str((await client.post(path, json=body)).status_code)
        if kind in ("stream", "abort"):
            return await _read_stream(client, path, body, is_aborted=kind == "abort")
        response = await (client.get(path) if body is None else client.post(path, json=body))
        if response.status_code != 200 and set(response.json()) != {"error"}:
            return "undocumented"
        return str(response.status_code)
    except TimeoutError:
        return "aborted"
    except httpx.HTTPError as error:
        return type(error).__name__


async def _read_stream(client: httpx.AsyncClient, path: str, body: Any, *, is_aborted: bool) -> str:
    async with client.stream("POST", path, json=body) as response:
        lines = []
        async for line in response.aiter_lines():
            lines.append(line)
            if is_aborted:
                return "aborted"
        if response.status_code == 200 and "data: [DONE]" not in lines:
            return "cut"
        if any('"error"' in line for line in lines) and response.status_code == 200:
            return "failed"
        return str(response.status_code)


async def _run_client(url: str, number: int, is_over: Callable[[], bool], result: Result) -> None:
    rng = random.Random(number)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        while not is_over():
            kind, path, body = make_request(rng)
            start = time.monotonic()
            outcome = await send(client, rng, kind, path, body)
            result.outcomes[f"{kind} {outcome}"] += 1
            if outcome == "200":
                result.seconds.append(time.monotonic() - start)


async def soak(url: str, pid: int, *, clients: int, seconds: float, requests: int | None = None) -> Result:
    """Run the clients, and return what they saw.

    Args:
        url: Of the service.
        pid: Of its process, for the memory.
        clients: Number of clients; each sends its next request after the answer to the last one.
        seconds: Duration.
        requests: Number of requests after which the clients stop earlier; None for no limit.
    """
    result, start = Result(), time.monotonic()

    def is_over() -> bool:
        has_enough = requests is not None and result.outcomes.total() >= requests
        return has_enough or time.monotonic() - start > seconds

    async def watch() -> None:
        while True:
            result.memory.append((time.monotonic() - start, psutil.Process(pid).memory_info().rss / 2**20))
            await asyncio.sleep(1)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(_run_client(url, number, is_over, result) for number in range(clients)))
    watcher.cancel()
    return result


def find_percentile(values: list[float], share: float) -> float:
    """Return a percentile in ms; 0 without values."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def report(result: Result) -> dict[str, Any]:
    """Return the figures of a run."""
    memory = [round(value) for _time, value in result.memory]
    step = max(1, len(memory) // 20)
    return {
        "requests": result.outcomes.total(),
        "outcomes": dict(sorted(result.outcomes.items())),
        "lost": result.lost,
        "latency_ms": {
            f"p{round(100 * share)}": round(find_percentile(result.seconds, share)) for share in (0.5, 0.95, 0.99)
        },
        "memory_mb": memory[::step],
        "memory_mb_per_minute": round(result.slope, 2),
    }


def start_server(model: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the service in a process of its own, and wait until it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", _SERVER, str(model), str(port)], stderr=output)
    for _attempt in range(1200):
        if process.poll() is not None:
            break
        try:
            httpx.get(f"{url}/readyz", timeout=5)
            return process, url
        except httpx.HTTPError:
            time.sleep(0.25)
    process.kill()
    raise SystemExit(f"the service does not start:\n{log.read_text('utf-8')[-2000:]}")


def main() -> int:
    """Run the soak test and print its figures; 1 if a request was lost or the service did not stop well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("artifacts/package/model"))
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=None)
    parser.add_argument("--max-slope", type=float, default=5.0, help="MB per minute")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process, url = start_server(options.model, log)
        try:
            result = asyncio.run(
                soak(url, process.pid, clients=options.clients, seconds=options.seconds, requests=options.requests)
            )
            process.send_signal(signal.SIGTERM)
            exit_code = process.wait(60)
        finally:
            process.kill()
        figures = {
            **report(result),
            "exit_code": exit_code,
            "log_tracebacks": log.read_text("utf-8").count("Traceback"),
        }
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    is_good = not figures["lost"] and not exit_code and not figures["log_tracebacks"]
    return 0 if is_good and figures["memory_mb_per_minute"] <= options.max_slope else 1


if __name__ == "__main__":
    sys.exit(main())
