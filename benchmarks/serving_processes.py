"""Servers that serving.py measures: started, halted while another one is measured, and observed."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_START_SECONDS = 300


@dataclass(frozen=True)
class ServerSpec:
    """How a server is started, and what its requests need."""

    name: str
    command: Sequence[str]
    port: int
    model: str
    """Name of the model in requests."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Of a request, so that it has greedy answers that an end token does not end."""
    echoes_prompt: bool = False
    """Whether the first text of a stream is the prompt, which is no token of the answer."""


class Server:
    """A running server."""

    def __init__(self, spec: ServerSpec, process: psutil.Process) -> None:
        self.spec = spec
        self.url = f"http://127.0.0.1:{spec.port}"
        self._process = process

    def ask(self, text: str, **fields: Any) -> dict[str, Any]:
        """Return the body of the answer to one request."""
        body = {"model": self.spec.model, "messages": [{"role": "user", "content": text}], **fields}
        request = urllib.request.Request(
            self.url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_START_SECONDS) as answer:
                content: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{self.spec.name}: {error.code} {error.read().decode()[:300]}") from error
        return content

    def halt(self) -> None:
        """Keep the server from using the processor."""
        self._process.suspend()

    def resume(self) -> None:
        """Let a halted server go on."""
        self._process.resume()

    def read_cpu_seconds(self) -> float:
        """Return the processor time of the server so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def read_memory(self) -> int:
        """Return the resident memory, in bytes."""
        return int(self._process.memory_info().rss)


@contextmanager
def run_servers(specs: Sequence[ServerSpec], logs: Path) -> Iterator[list[Server]]:
    """Start all servers, wait for their first answers, and halt them; end them afterwards.

    Args:
        specs: Of the servers.
        logs: Folder for what they print.
    """
    logs.mkdir(parents=True, exist_ok=True)
    servers: list[Server] = []
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for spec in specs:
            with (logs / f"{spec.name.replace(' ', '-')}.log").open("wb") as log:
                processes.append(subprocess.Popen(spec.command, stdout=log, stderr=log))
            server = Server(spec, psutil.Process(processes[-1].pid))
            _wait_until_ready(server, processes[-1], logs)
            server.halt()
            servers.append(server)
        yield servers
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], logs: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            server.ask("a", max_tokens=4, **server.spec.fields)
        except urllib.error.URLError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"{server.spec.name} does not answer; see {logs}")
