"""The load of serving.py: prompts, runs of AIPerf, and what its records say."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from generation import iter_records
from serving_processes import Server

_MAX_CHARACTERS = 300


@dataclass(frozen=True)
class Level:
    """A load."""

    clients: int | None
    """Open requests at any time; None: the requests come at a rate, whatever is open."""
    rate: float | None
    """Requests per second on average, at random times."""
    requests: int
    is_streamed: bool = True

    def __str__(self) -> str:
        load = f"{self.clients}" if self.clients else f"{self.rate:g}/s"
        return load if self.is_streamed else f"{load}, not streamed"


@dataclass(frozen=True)
class Measurement:
    """One run of a level; times in seconds."""

    requests: int
    seconds: float
    """From the first request to the end of the last answer."""
    cpu_seconds: float
    """Of the server."""
    memory: int
    """Resident bytes of the server afterwards."""
    first: list[float]
    """Time to the first token, of each request; empty where answers are not streamed."""
    gaps: list[float]
    """Mean time of the further tokens, of each request."""
    latencies: list[float]


@cache
def _list_texts() -> list[str]:
    """Return requests of mixed lengths: with 0 to 3 examples before them."""
    rng, texts = random.Random(1446), []
    for record, examples in iter_records(2000, 3):
        lines = [
            part
            for example in examples[: rng.randrange(4)]
            for part in (f"{example.instruction} {example.input}", example.output)
        ]
        texts.append("\n".join([*lines, f"{record.instruction} {record.input}"])[-_MAX_CHARACTERS:])
    return texts


def draw_texts(count: int, seed: str) -> list[str]:
    """Return texts of requests; equal seeds give equal ones."""
    return random.Random(seed).sample(_list_texts(), count)


def run_level(
    aiperf: Path, server: Server, level: Level, *, seed: str, new_tokens: int, tokenizer: Path, folder: Path
) -> Measurement:
    """Load a server, and halt it again.

    Args:
        aiperf: Interpreter of AIPerf's environment.
        server: The server, halted.
        level: The load.
        seed: Of the prompts; no two runs of a server have the same ones, which its prefix cache would know.
        new_tokens: Tokens of each answer.
        tokenizer: Folder of the model; AIPerf wants one.
        folder: For the records.

    Raises:
        RuntimeError: If a request failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = draw_texts(level.requests, seed)
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    command = _build_command(aiperf, server, level, prompts, tokenizer, folder)
    command += ["--extra-inputs", json.dumps({"max_tokens": new_tokens, **server.spec.fields})]
    server.resume()
    try:
        started = server.read_cpu_seconds()
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        cpu_seconds, memory = server.read_cpu_seconds() - started, server.read_memory()
    finally:
        server.halt()
    records = _read_records(folder / "profile_export.jsonl")
    if len(records) != level.requests or any(record.get("error") for record in records):
        raise RuntimeError(
            f"{server.spec.name}: {len(records)} answers of {level.requests}: {completed.stdout[-2000:]}"
        )
    first = [_read_first(record["metrics"], server.spec.echoes_prompt) for record in records if level.is_streamed]
    return _summarize(records, first, cpu_seconds, memory, new_tokens)


def _build_command(
    aiperf: Path, server: Server, level: Level, prompts: Path, tokenizer: Path, folder: Path
) -> list[str]:
    load = ["--concurrency", f"{level.clients}"] if level.clients else ["--request-rate", f"{level.rate}"]
    load += ["--streaming"] if level.is_streamed else []
    return [
        *(str(aiperf.parent / "aiperf"), "profile", "--model", server.spec.model, "--url", server.url),
        *("--endpoint-type", "chat", "--tokenizer", str(tokenizer), "--ui-type", "none"),
        *("--input-file", str(prompts), "--custom-dataset-type", "single-turn"),
        *("--dataset-sampling-strategy", "sequential", "--random-seed", "1446"),
        *("--workers-max", "1", "--record-processors", "1", "--no-gpu-telemetry", "--no-server-metrics"),
        *("--output-artifact-dir", str(folder), "--request-count", str(level.requests), *load),
    ]


def _read_records(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    path.unlink()  # the next run must not read it
    return records


def _read_first(metrics: dict[str, Any], echoes_prompt: bool) -> float:
    """Return the time to the first token of the answer, in seconds."""
    milliseconds = metrics["time_to_first_token"]["value"]
    if echoes_prompt:
        milliseconds += metrics["time_to_second_token"]["value"]
    return float(milliseconds) / 1000


def _summarize(
    records: Sequence[dict[str, Any]], first: list[float], cpu_seconds: float, memory: int, new_tokens: int
) -> Measurement:
    starts = [record["metadata"]["request_start_ns"] / 1e9 for record in records]
    ends = [record["metadata"]["request_end_ns"] / 1e9 for record in records]
    latencies = [end - start for start, end in zip(starts, ends, strict=True)]
    return Measurement(
        requests=len(records),
        seconds=max(ends) - min(starts),
        cpu_seconds=cpu_seconds,
        memory=memory,
        first=first,
        gaps=[(latency - wait) / (new_tokens - 1) for latency, wait in zip(latencies, first, strict=bool(first))],
        latencies=latencies,
    )
