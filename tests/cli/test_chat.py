"""`seodang chat`: a packaged model, services, pipes and a terminal. Run: pytest -n 0 tests/cli/test_chat.py"""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.constants import ENGLISH, KOREAN
from tests.fixtures.servers import QuietHandler, Site, serve
from tests.fixtures.serving import serve_app

from seodang.cli.main import main
from seodang.service.http.api_keys import ApiKeys
from seodang.service.model.loading import load_context
from seodang.service.web_app import create_app

KEY = "0123456789abcdef"
TAG = "tiny:0123456789ab"


@pytest.fixture
def chat(capsys, monkeypatch):
    """Runs `seodang chat` with the lines of a pipe; returns exit code, output and errors."""
    monkeypatch.delenv("SEODANG_API_KEY", raising=False)

    def chat(*arguments: str | Path, lines: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        code = main(["chat", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return chat


@pytest.fixture(scope="module")
def service(packaged_model: Path) -> Iterator[str]:
    """Address of the tiny packaged model, with a key."""
    with serve_app(
        create_app(load_context(packaged_model, TAG), keys=ApiKeys({"SEODANG_API_KEYS": f"me:{KEY}"}))
    ) as app:
        yield app.url


def test_it_answers_with_the_packaged_model_as_the_service_does(chat, packaged_model):
    for instruction, input, output in (KOREAN, ENGLISH):
        assert chat(instruction, "--input", input, "--folder", packaged_model) == (0, f"{output}\n", "")


def test_a_pipe_has_one_instruction_in_a_line_and_gets_the_answers_in_order(chat, packaged_model):
    lines = f"{ENGLISH[0]}\n\n  {KOREAN[0]}\n{ENGLISH[0]}"
    code, output, error = chat("--folder", packaged_model, lines=lines)
    assert (code, error) == (0, "")
    answers = output.splitlines()
    assert answers[0] == answers[2] == ENGLISH[2]
    assert len(answers) == 3
    assert "\x1b" not in output


def test_the_line_that_cannot_be_answered_is_named(chat, packaged_model):
    code, output, error = chat("--folder", packaged_model, lines=f"{ENGLISH[0]}\n{'가 ' * 500}\n")
    assert (code, output) == (2, f"{ENGLISH[2]}\n")
    assert error.startswith("seodang: line 2: ")
    assert "exceeds the context window" in error


def test_options_reach_the_model(chat, packaged_model):
    request = ("아무 말이나 하세요", "--folder", packaged_model)
    assert "cut at the maximum number of tokens" in chat(*request, "--max-tokens", "1")[2]
    sampled = {chat(*request, "--temperature", "1.9", "--seed", str(seed))[1] for seed in (1, 2, 3, 1, 2, 3)}
    assert 1 < len(sampled) <= 3
    assert "must be from 1 to 24" in chat(*request, "--max-tokens", "25")[2]


def test_the_packaged_model_of_the_project_is_the_default(chat, packaged_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _output, error = chat("가")
    assert code == 2
    assert "there is no packaged model in artifacts/package/model; package one (make run)" in error
    (tmp_path / "artifacts" / "package").mkdir(parents=True)
    (tmp_path / "artifacts" / "package" / "model").symlink_to(packaged_model)
    assert chat(ENGLISH[0])[1] == f"{ENGLISH[2]}\n"


def test_it_answers_through_a_service_and_its_key(chat, service, monkeypatch):
    monkeypatch.setenv("SEODANG_API_KEY", KEY)
    for address in (service, f"{service}/", f"{service}/v1"):
        assert chat(KOREAN[0], "--input", KOREAN[1], "--url", address) == (0, f"{KOREAN[2]}\n", "")
    assert chat("--url", service, "--model", "tiny", lines=ENGLISH[0])[1] == f"{ENGLISH[2]}\n"


@pytest.mark.parametrize(
    ("key", "arguments", "message"),
    [
        ("", [], "needs a key: set SEODANG_API_KEY"),
        ("another-key-of-no-one", [], "does not know the key in SEODANG_API_KEY; check it"),
        (KEY, ["--model", "other"], f"does not serve other; choose one with --model: {TAG}"),
        (KEY, ["--max-tokens", "99"], "refuses the request: max_tokens: must be from 1 to 24"),
    ],
)
def test_an_error_of_the_service_is_one_line_with_the_way_out(chat, service, monkeypatch, key, arguments, message):
    monkeypatch.setenv("SEODANG_API_KEY", key)
    code, output, error = chat("가", "--url", service, *arguments)
    assert (code, output.strip()) == (2, "")
    assert message in error
    assert error.startswith(f"seodang: {service}")
    assert error.count("\n") == 1
    assert "another-key" not in error


@pytest.mark.parametrize("key", ["한글 키입니다 한글", "line\nbreak-0123456789"])
def test_a_key_that_no_header_may_hold_is_refused(chat, service, monkeypatch, key):
    monkeypatch.setenv("SEODANG_API_KEY", key)
    code, _output, error = chat("가", "--url", service)
    assert code == 2
    assert "SEODANG_API_KEY has a character that no key has" in error
    assert key not in error


def test_a_line_that_is_no_text_is_named(chat, packaged_model):
    line = b"\xc7\xd1\xb1\xdb".decode("utf-8", "surrogateescape")
    code, output, error = chat("--folder", packaged_model, lines=f"{ENGLISH[0]}\n{line}\n")
    assert (code, output) == (2, f"{ENGLISH[2]}\n")
    assert error.startswith("seodang: line 2: the line is no text")


def test_a_service_that_is_not_there_is_exit_code_75(chat, find_free_port):
    code, _output, error = chat("가", "--url", f"http://127.0.0.1:{find_free_port()}")
    assert code == 75
    assert "does not answer (ConnectionError); check that the service runs (seodang serve) and its port" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("address", ["127.0.0.1:3000", "ftp://example.org", "http://", "nowhere"])
def test_what_is_no_address_is_refused(chat, address):
    code, _output, error = chat("가", "--url", address)
    assert code == 2
    assert f"--url {address} is no address of a service" in error


def test_options_that_exclude_each_other_are_refused(chat, tmp_path):
    assert "choose one: --url names a service" in chat("가", "--url", "http://127.0.0.1:1", "--folder", tmp_path)[2]
    assert "add --url" in chat("가", "--model", "base")[2]


@dataclass
class Model:
    """A service of another make with OpenAI's interface; its answer waits at each None until the test goes on."""

    parts: list[str | None] = field(default_factory=list)
    end: str = "[DONE]"
    bodies: list[Any] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client has closed the connection."""


@pytest.fixture
def other() -> Iterator[tuple[str, Model]]:
    model = Model()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            found = self.path == "/v1/models"
            self.reply(200 if found else 404, json.dumps({"data": [{"id": "other-model"}]}).encode())

        def do_POST(self) -> None:
            model.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            try:
                for part in model.parts:
                    self._send(part)
                self.wfile.write(f"data: {model.end}\n\n".encode())
            except OSError:
                model.left.set()

        def _send(self, part: str | None) -> None:
            delta = {"content": part} if part is not None else {}
            while part is None and not model.goes_on.wait(0.02):
                self.wfile.write(b": waiting\n\n")
                self.wfile.flush()
            self.wfile.write(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode())
            self.wfile.flush()

    with serve(Site(), Handler) as site:
        yield site.url, model
        model.goes_on.set()


def test_a_service_of_another_make_gets_instruction_and_input_as_one_text(chat, other):
    url, model = other
    model.parts = ["안녕", "하세요"]
    assert chat("인사", "--input", "세요", "--system", "짧게", "--url", url) == (0, "안녕하세요\n", "")
    assert model.bodies[-1]["messages"] == [
        {"role": "system", "content": "짧게"},
        {"role": "user", "content": "인사\n\n세요"},
    ]


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        ("{", 75, "ended before the answer was complete; ask again"),
        ('{"choices": []}', 75, "ended before the answer was complete; ask again"),
        ('{"error": {"message": "out of\\nmemory"}}', 2, "the answer broke off: out of memory"),
    ],
)
def test_an_answer_that_breaks_off_is_an_error(chat, other, end, code, message):
    url, model = other
    model.parts, model.end = ["안녕"], end
    got, output, error = chat("인사", "--url", url)
    assert (got, output) == (code, "안녕\n")
    assert message in error


def test_a_server_of_something_else_is_one_line(chat):
    with serve(Site({"/v1/models": b"<html>"})) as site:
        code, _output, error = chat("인사", "--url", site.url)
    assert code == 2
    assert "there is something else than a model service; check the address" in error


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, *command: str) -> None:
        self._descriptor, inner = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, start_new_session=True, preexec_fn=_take_terminal
        )
        os.close(inner)
        self._text = ""

    def write(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> str:
        """Return what was printed up to a text, since the last one that was waited for."""
        deadline = time.monotonic() + 90
        while text not in self._text:
            ready, _writable, _errors = select.select([self._descriptor], [], [], deadline - time.monotonic())
            if not ready:
                raise AssertionError(f"{text!r} is not printed: {self._text!r}")
            self._text += os.read(self._descriptor, 4096).decode("utf-8", "replace")
        before, _text, self._text = self._text.partition(text)
        return before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._descriptor)


def _take_terminal() -> None:
    """Make the pseudo-terminal the process's own, so that its Ctrl-C and Ctrl-D work."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def terminal(other, monkeypatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("INPUTRC", "/dev/null")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    terminal = Terminal(sys.executable, "-m", "seodang", "chat", "--url", other[0])
    try:
        terminal.wait_for("other-model · /help lists the commands, Ctrl-D ends")
        terminal.wait_for("> ")
        yield terminal
    finally:
        terminal.close()


@pytest.mark.slow
def test_a_conversation_in_a_terminal_has_turns_and_commands(terminal, other):
    _url, model = other
    model.parts = ["반갑", "습니다"]
    for line in ("안녕하세요", "또 만나요"):
        terminal.write(f"{line}\r")
        terminal.wait_for("반갑습니다")
        terminal.wait_for("> ")
    assert [message["role"] for message in model.bodies[-1]["messages"]] == ["user", "assistant", "user"]
    terminal.write("/help\r")
    terminal.wait_for("/quit")
    terminal.write("/system 짧게\r/clear\r/nonsense\r")
    terminal.wait_for("there is no command /nonsense; /help lists the commands")
    terminal.write("셋\r")
    terminal.wait_for("반갑습니다")
    assert [message["role"] for message in model.bodies[-1]["messages"]] == ["system", "user"]
    terminal.write("/quit\r")
    assert terminal.process.wait(30) == 0


@pytest.mark.slow
def test_ctrl_c_stops_the_answer_and_a_second_one_ends(terminal, other):
    _url, model = other
    model.parts = ["끝없는 ", None, "이야기"]
    terminal.write("이야기해 줘\r")
    terminal.wait_for("끝없는 ")
    terminal.write("\x03")
    terminal.wait_for("[stopped]")
    terminal.wait_for("> ")
    assert model.left.wait(30)
    terminal.write("\x03")
    assert terminal.process.wait(30) == 130


@pytest.mark.slow
def test_ctrl_d_ends_and_an_answer_cannot_control_the_terminal(terminal, other):
    _url, model = other
    model.parts = ["\x1b[31m빨강\x1b]0;title\x07\x08"]
    terminal.write("색\r")
    assert "\x1b[31m" not in terminal.wait_for("빨강?]0;title??")
    terminal.wait_for("> ")
    model.parts, model.end = [], '{"error": {"message": "no memory"}}'
    terminal.write("다시\r")
    terminal.wait_for("seodang: the answer broke off: no memory")
    terminal.wait_for("> ")
    terminal.write("\x04")
    assert terminal.process.wait(30) == 0
