"""How a service's answer to a probe is read."""

import json
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from seodang.errors import ReleaseError
from seodang.release import versions
from seodang.release.versions import RunningService


@pytest.fixture
def serve(run_handler):
    """Answers each POST alike until the context ends; yields the port and the requests."""

    @contextmanager
    def serve(status, content):
        requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                requests.append((self.path, body, self.headers["X-Seodang-Probe"], self.headers["Authorization"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        with run_handler(Handler) as port:
            yield port, requests

    return serve


def test_a_probe_is_marked_and_has_the_key(serve):
    with serve(200, json.dumps({"output": "긍정"}).encode()) as (port, requests):
        assert RunningService(port, "k" * 16).ask_probe("감정은?", "문장") == "긍정"
    assert requests == [("/generate", {"instruction": "감정은?", "input": "문장"}, "1", "Bearer " + "k" * 16)]


@pytest.mark.parametrize(
    ("status", "content", "answer"), [(500, b"{}", ""), (200, b"<p>", ""), (429, b"{}", None), (503, b"{}", None)]
)
def test_a_failure_is_no_right_answer_and_a_busy_service_gives_none(serve, status, content, answer):
    with serve(status, content) as (port, _requests):
        assert RunningService(port).ask_probe("감정은?", "") == answer


def test_an_answer_that_does_not_come_in_time_is_no_right_answer(monkeypatch):
    monkeypatch.setattr(versions, "_PROBE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert RunningService(silent.getsockname()[1]).ask_probe("감정은?", "") == ""


def test_a_service_that_is_gone_gives_none(find_free_port):
    assert RunningService(find_free_port()).ask_probe("감정은?", "") is None


@pytest.mark.parametrize("status", [401, 404])
def test_a_refused_key_ends_the_probes_in_korean_too(serve, status, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with serve(status, b"{}") as (port, _requests), pytest.raises(ReleaseError, match="거절"):
        RunningService(port).ask_probe("감정은?", "")
