"""A judge behind a real HTTP server on a free port."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seodang.cli.main import main
from seodang.evaluation.judge import endpoint


@dataclass
class JudgeServer:
    """A judge that prefers the longer answer, its requests, and what it does first."""

    url: str = ""
    received: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    """Of the next requests: a status, a status with headers, bytes of a body, or seconds to wait."""
    decide: Callable[[str, str], str] = lambda first, second: prefer_longer(first, second)
    """Takes both answers in the order of the request and returns the reply."""
    finish_reason: str = "stop"
    model: str = "judge-1-2026"
    is_content_listed: bool = False

    def answer(self, body: dict[str, Any]) -> bytes:
        """Return the body of a chat completion."""
        content: Any = self.decide(*find_answers(body["messages"][1]["content"]))
        if self.is_content_listed:
            content = [{"type": "text", "text": content}]
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": self.finish_reason}
        return json.dumps({"model": self.model, "choices": [choice]}).encode()


def find_answers(content: str) -> tuple[str, str]:
    """Return both answers of a request as a careful reader finds them: by the code of the first marker."""
    code = content.split(">>>", 1)[0].rsplit(" ", 1)[1]
    first, second = (
        content.split(f"<<<ANSWER {name} {code}>>>\n", 1)[1].split(f"\n<<<END {code}>>>", 1)[0] for name in "AB"
    )
    return first, second


def prefer_longer(first: str, second: str) -> str:
    if "mute" in first:
        return ""
    mark = "C" if len(first) == len(second) else "AB"[len(second) > len(first)]
    return f"한 번은 [[A]]라고 생각했지만 [[{mark}]]"


@pytest.fixture
def judge_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    """Yield a running judge; retries do not wait."""
    monkeypatch.setattr(endpoint, "_BACKOFF_SECONDS", 0.0)
    judge = JudgeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            judge.received.append((self.path, self.headers.get("Authorization"), body))
            failure = judge.failures.pop(0) if judge.failures else None
            if isinstance(failure, float):
                time.sleep(failure)
            status, headers = failure if isinstance(failure, tuple) else (failure, {})
            content = failure if isinstance(failure, bytes) else judge.answer(body)
            self.send_response(status if isinstance(status, int) else 200)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield judge
    server.shutdown()
    server.server_close()


@pytest.fixture
def run_judge(tmp_path: Path, judge_server: JudgeServer) -> Callable[..., dict[str, int] | None]:
    """Runs `seodang judge` on answers and returns the counts in its score file; None if it fails with `code`."""

    def run(candidate: list[str], champion: list[str], *options: str, code: int = 0) -> dict[str, int] | None:
        arguments = ["judge", "--out", str(tmp_path / "out"), "--endpoint", judge_server.url, "--model", "judge-1"]
        for name, texts in (("candidate", candidate), ("champion", champion)):
            path = tmp_path / f"{name}.answers"
            rows = [
                {"task": "demo", "item": number, "language": "ko", "prompt": f"질문 {number}", "answer": text}
                for number, text in enumerate(texts)
            ]
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
            arguments += [f"--{name}", str(path)]
        assert main([*arguments, *options]) == code
        if code:
            return None
        lines = (tmp_path / "out" / "candidate.jsonl").read_text("utf-8").splitlines()
        scores = [json.loads(line)["score"] for line in lines]
        return {
            "items": len(scores),
            "wins": sum(score > 0.5 for score in scores),
            "ties": sum(score == 0.5 for score in scores),
        }

    return run
