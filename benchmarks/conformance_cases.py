"""What clients of OpenAI's interface rely on. Each case sends requests and says what it saw, or why it fails."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

CHAT: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
QUESTION: Final = "다음 영화 감상의 감정을 분석하세요.\n\n이 영화는 너무 지루해"
ERROR_FIELDS: Final = {"message", "type", "param", "code"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    def read_events(self) -> list[Any]:
        """Return the events of a stream; the end is the text [DONE]."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and the name of its model."""

    url: str
    model: str

    def send(self, method: str, path: str, body: bytes | None = None, media: str = "application/json") -> Reply:
        """Return the answer to a request."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": media} if body is not None else {})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())
        finally:
            connection.close()

    def post(self, path: str, **fields: Any) -> Reply:
        """Return the answer to a JSON body that names the model."""
        return self.send("POST", path, json.dumps({"model": self.model, **fields}).encode())

    def chat(self, text: str = QUESTION, **fields: Any) -> Reply:
        """Return the answer to a conversation; `messages` replaces the text."""
        return self.post(CHAT, **{"messages": [{"role": "user", "content": text}], "max_tokens": 16, **fields})

    def complete(self, prompt: Any = "영화는", **fields: Any) -> Reply:
        """Return the continuation of a text."""
        return self.post(TEXT, **{"prompt": prompt, "max_tokens": 8, **fields})


Case = Callable[[Server], str]
CASES: Final[list[tuple[int, str, Case]]] = []


def case(line: int, name: str) -> Callable[[Case], Case]:
    """Add a case to CASES.

    Args:
        line: Of the contract in docs/serving.md, 1 to 8.
        name: What a client relies on.
    """

    def add(function: Case) -> Case:
        CASES.append((line, name, function))
        return function

    return add


def check_error(reply: Reply, *statuses: int) -> str:
    """Return what was seen if a reply is an error in OpenAI's shape."""
    assert reply.status in statuses, f"status {reply.status}"
    content = reply.read()
    fields = set(content["error"]) if set(content) == {"error"} and isinstance(content["error"], dict) else set()
    assert fields >= ERROR_FIELDS, f"{reply.status}, body {content}"
    assert reply.status in (429, 503) or "retry-after" not in reply.headers, "Retry-After on an error that stays"
    return f"{reply.status} {content['error']['code']}"


def read_answer(reply: Reply) -> dict[str, Any]:
    """Return the first choice of a successful reply."""
    assert reply.status == 200, f"status {reply.status}: {reply.body[:80].decode(errors='replace')}"
    choice: dict[str, Any] = reply.read()["choices"][0]
    return choice


def read_stream(reply: Reply) -> tuple[str, list[Any]]:
    """Return the text and the events of a streamed conversation."""
    assert reply.status == 200, f"status {reply.status}"
    events = reply.read_events()
    chunks = [event for event in events if isinstance(event, dict)]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    return text, events


def check_finite(values: list[float | None]) -> None:
    """Raise an error unless all values but the first are finite numbers, and the first is null."""
    assert values[0] is None, f"first value {values[0]}"
    assert all(value is not None and math.isfinite(value) for value in values[1:]), "values that are not finite"
