"""A teacher on a loopback port that counts what it bills, and answers as its script says."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

Body = dict[str, Any]


@dataclass
class Answer:
    """How the teacher answers one request; each field is one way in which it can go wrong."""

    text: str | None = "ok"
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None  # in place of a chat completion
    delay: float = 0.0
    is_dropped: bool = False  # the connection breaks after the answer was computed
    refusal: str | None = None
    has_usage: bool = True
    reply_tokens: int = 5


@dataclass
class TeacherServer:
    """Script and record of a teacher. It bills each completion that it computes."""

    script: Callable[[Body, int], Answer] = lambda body, attempt: Answer()
    """Of the request and the number of earlier requests with its key."""
    is_idempotent: bool = False
    delay: float = 0.0
    url: str = ""
    bodies: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    billed: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    most_at_a_time: int = 0
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stored: dict[str, bytes] = field(default_factory=dict)

    @property
    def billed_tokens(self) -> int:
        """Tokens of all completions: a prompt has as many as characters, a reply as its Answer says."""
        return sum(self._cost[key] * count for key, count in self.billed.items())

    _cost: dict[str, int] = field(default_factory=dict)

    def respond(self, key: str, headers: dict[str, str], body: Body) -> tuple[Answer, bytes]:
        with self._lock:
            attempt = self.attempts[key]
            self.attempts[key] += 1
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._running += 1
            self.most_at_a_time = max(self.most_at_a_time, self._running)
        try:
            answer = self.script(body, attempt)
            time.sleep(answer.delay or self.delay)
            return answer, self._bill(key, body, answer)
        finally:
            with self._lock:
                self._running -= 1

    def _bill(self, key: str, body: Body, answer: Answer) -> bytes:
        if answer.status != 200:
            return answer.raw if answer.raw is not None else b'{"error": {"message": "scripted"}}'
        with self._lock:
            if self.is_idempotent and key in self._stored:
                return self._stored[key]
            prompt = sum(len(message["content"]) for message in body["messages"])
            self.billed[key] += 1
            self._cost[key] = prompt + answer.reply_tokens
            content = answer.raw if answer.raw is not None else self._format(answer, prompt)
            self._stored[key] = content
            return content

    def _format(self, answer: Answer, prompt: int) -> bytes:
        message = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
        completion: Body = {
            "model": "scripted-teacher-1",
            "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
        }
        if answer.has_usage:
            usage = {"prompt_tokens": prompt, "completion_tokens": answer.reply_tokens}
            completion["usage"] = {**usage, "total_tokens": sum(usage.values())}
        return json.dumps(completion).encode()


def build_handler(server: TeacherServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(size := int(self.headers["Content-Length"]))
            if len(content) < size:  # the client was killed
                self.close_connection = True
                return
            body = json.loads(content)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer, content = server.respond(headers.get("idempotency-key", ""), headers, body)
            if answer.is_dropped:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    return Handler
