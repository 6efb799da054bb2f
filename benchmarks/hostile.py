"""Send hostile bodies to a running service: every route, every field, guides and tools included.

Starts the service with a packaged model under uvicorn alone. Each body must be answered, or refused with a documented
error and no status of 500 or above but 503. The log must have no traceback and no text of a user, and the service must
answer at the end.

    python benchmarks/hostile.py --model artifacts/package/model --count 10000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent))
from hostile_bodies import SECRET, make_body
from soak import start_server

_STATUSES: Final = frozenset({200, 400, 404, 413, 429, 503})
_ERROR_FIELDS: Final = {"message", "type", "param", "code"}
_SHOWN: Final = 20
_SECONDS: Final = 120.0


@dataclass
class Result:
    """What the service did with the bodies."""

    statuses: Counter[str] = field(default_factory=Counter)
    """By route and status."""
    codes: Counter[str] = field(default_factory=Counter)
    """Of the errors, and of those in a stream."""
    faults: list[str] = field(default_factory=list)
    """Number of the body, its route, and what was wrong."""
    slowest: list[tuple[float, int]] = field(default_factory=list)
    """Time in s and number of the body, the longest first."""
    memory: list[float] = field(default_factory=list)
    """Resident memory of the service in MB, at the beginning and at each tenth of the run."""
    seconds: float = 0.0


def find_fault(status: int, headers: httpx.Headers, text: str) -> str | None:
    """Return what is wrong with an answer; None if nothing is."""
    if status not in _STATUSES:
        return f"status {status}"
    if status != 200:
        return None if set(json.loads(text).get("error", {})) == _ERROR_FIELDS else f"no documented error: {text[:200]}"
    if headers["content-type"].startswith("text/event-stream"):
        if not text.endswith("data: [DONE]\n\n"):
            return "the stream has no end"
        return "a failure in the stream" if '"code":"internal_error"' in text else None
    json.loads(text)
    return None


async def attack(url: str, numbers: list[int], result: Result, pid: int, clients: int = 4) -> None:
    """Send the bodies of the numbers, by several clients at the same time.

    Args:
        url: Of the service.
        numbers: Of the bodies; see hostile_bodies.make_body().
        result: Gets what the service did.
        pid: Of its process, for the memory.
        clients: That send at the same time.
    """
    remaining, done = iter(numbers), 0
    process = psutil.Process(pid)
    result.memory.append(process.memory_info().rss / 2**20)

    async def work(client: httpx.AsyncClient) -> None:
        nonlocal done
        for number in remaining:
            await _send(client, number, result)
            done += 1
            if done % max(1, len(numbers) // 10) == 0 and process.is_running():
                result.memory.append(process.memory_info().rss / 2**20)

    async with httpx.AsyncClient(base_url=url, timeout=_SECONDS) as client:
        started = time.monotonic()
        await asyncio.gather(*(work(client) for _ in range(clients)))
        result.seconds = time.monotonic() - started
        result.faults += await _find_end_fault(client)
    result.slowest = sorted(result.slowest, reverse=True)[:_SHOWN]


async def _find_end_fault(client: httpx.AsyncClient) -> list[str]:
    """Return what is wrong with the service after the run."""
    try:
        response = await client.post("/generate", json={"instruction": "가"})
    except httpx.HTTPError as error:
        return [f"the service is gone: {type(error).__name__}"]
    return [] if response.status_code == 200 else [f"the service answers {response.status_code} at the end"]


async def _send(client: httpx.AsyncClient, number: int, result: Result) -> None:
    path, body = make_body(number)
    started = time.monotonic()
    try:
        response = await client.post(path, content=body, headers={"Content-Type": "application/json"})
        status, text = str(response.status_code), response.text
        fault = find_fault(response.status_code, response.headers, text)
    except (httpx.HTTPError, ValueError) as error:
        status, text, fault = type(error).__name__, "", f"{type(error).__name__}: {error}"
    result.slowest.append((round(time.monotonic() - started, 3), number))
    result.statuses[f"{path} {status}"] += 1
    if '"code":"' in text:
        result.codes[text.partition('"code":"')[2].partition('"')[0]] += 1
    if fault is not None:
        result.faults.append(f"{number} {path}: {fault}")


def read_log(log: Path) -> list[str]:
    """Return what must not be in the log."""
    text = log.read_text("utf-8")
    found = [name for name in ("Traceback", SECRET, ascii(SECRET)[1:-1]) if name in text]
    return [f"the log has {name!r}" for name in found]


def report(result: Result) -> dict[str, Any]:
    """Return the figures of a run."""
    return {
        "bodies": result.statuses.total(),
        "seconds": round(result.seconds),
        "statuses": dict(sorted(result.statuses.items())),
        "by_status": dict(sorted(_sum_by_status(result.statuses).items())),
        "codes": dict(result.codes.most_common()),
        "slowest_s": result.slowest[:5],
        "memory_mb": [round(value) for value in result.memory],
        "faults": [*result.faults[:_SHOWN], *result.faults[_SHOWN:][-_SHOWN:]],
        "fault_count": len(result.faults),
    }


def _sum_by_status(statuses: Counter[str]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for name, count in statuses.items():
        sums[name.rpartition(" ")[2]] += count
    return sums


def run(process: subprocess.Popen[bytes], url: str, log: Path, numbers: list[int], clients: int) -> Result:
    """Attack a service, stop it, and return what it did."""
    result = Result()
    asyncio.run(attack(url, numbers, result, process.pid, clients))
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    if code := process.wait(60):
        result.faults.append(f"the service ends with exit code {code}: {log.read_text('utf-8')[-500:]}")
    result.faults += read_log(log)
    return result


def main() -> int:
    """Run the attack and print its figures; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("artifacts/package/model"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first body")
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process, url = start_server(options.model, log)
        try:
            numbers = list(range(options.first, options.first + options.count))
            result = run(process, url, log, numbers, options.clients)
        finally:
            process.kill()
    print(json.dumps(report(result), indent=2, ensure_ascii=False))
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
