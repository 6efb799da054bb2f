"""Versions of running services, and their place in the registry."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.constants import ROOT

from seodang.cli.main import main
from seodang.errors import ReleaseError
from seodang.release import versions
from seodang.release.traffic import ask_tag
from seodang.release.versions import RunningService, check_champion, roll_back_champion


@pytest.fixture
def paths(two_versions):
    return two_versions


def test_the_version_of_the_old_service_is_that_of_the_registry(paths):
    assert check_champion(paths, "tiny:1", "tiny:2") == "v0.1.0"


def test_a_new_service_must_answer_with_the_champion(paths):
    with pytest.raises(ReleaseError, match="the champion is tiny:2"):
        check_champion(paths, "tiny:1", "tiny:3")


@pytest.mark.parametrize("reference", ["tiny:0", "tiny:2"])
def test_an_old_service_must_answer_with_an_earlier_version(paths, reference):
    with pytest.raises(ReleaseError, match="no earlier version"):
        check_champion(paths, reference, "tiny:2")


def test_a_rollback_that_was_recorded_is_not_recorded_again(paths, monkeypatch):
    calls = []
    monkeypatch.setattr(versions, "rollback", lambda _paths, reason, version: calls.append((reason, version)))
    roll_back_champion(paths, "v0.1.0", "canary: worse")
    roll_back_champion(paths, "v0.2.0", "canary: worse")
    assert calls == [("canary: worse", "v0.1.0")]


def test_a_watch_of_services_that_do_not_answer_may_be_tried_again(find_free_port, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    port = find_free_port()
    assert main(["canary", "watch", "--old", str(port), "--new", "1"]) == 75
    assert f"no service answers on port {port}" in capsys.readouterr().err


class OtherProgram(BaseHTTPRequestHandler):
    """Answers every request with the same content."""

    content: object = None

    def do_GET(self):
        body = json.dumps(type(self).content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words):
        pass


@pytest.mark.parametrize("content", [None, [], "text", {"data": None}, {"data": ["text"]}, {"data": []}])
def test_another_program_on_the_port_is_no_service(content):
    handler = type("Handler", (OtherProgram,), {"content": content})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        service = RunningService(server.server_port)
        assert (ask_tag(service.port, ""), service.ask_adapter()) == (None, None)
        with pytest.raises(ReleaseError, match="does not list its models"):
            service.ask_version()
        server.shutdown()


@pytest.mark.parametrize("key", ["비밀-4711", "secret-4711\r\nx: y"])
@pytest.mark.parametrize("words", [["release", "--dry-run"], ["canary", "watch", "--old", "1", "--new", "2"]])
def test_a_key_that_no_header_can_hold_is_not_shown(key, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setenv("SEODANG_API_KEY", key)
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert "SEODANG_API_KEY has a character that no key has" in shown
    assert "4711" not in shown
