"""A canary that falls: the event for Prefect, and the rollback with and without an automation."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from seodang.errors import ReleaseError
from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.release import fall
from seodang.release.fall import Fall, GuardedTraffic, require_api_url, roll_back_by_automation

FALL = Fall(canary="c1", worse="v0.2.0", version="v0.1.0", reason="canary: stopped 1.000 -> 0.000")


class FakeRouter:
    """Remembers the shares."""

    def __init__(self):
        self.shares = []

    def set_share(self, share):
        self.shares.append(share)


@pytest.fixture
def paths(tmp_path, build_champion):
    """A project whose champion is v0.2.0 with tiny:1."""
    paths = Paths(tmp_path)
    write_champion(paths.champion, build_champion("v0.2.0"))
    return paths


@pytest.fixture
def direct(monkeypatch):
    """The rollbacks without an automation."""
    calls = []
    monkeypatch.setattr(fall, "roll_back_champion", lambda _paths, version, reason: calls.append((version, reason)))
    return calls


@pytest.fixture
def prefect(monkeypatch):
    """A server that takes events; its attribute `react` is called for each."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            (event,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.events.append((self.path, self.headers["Authorization"], event))
            self.server.react()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.events, server.react = [], lambda: None
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:secret")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_automation_that_rolls_back_is_enough(paths, prefect, direct, build_champion):
    prefect.react = lambda: write_champion(paths.champion, build_champion("v0.1.0"))
    assert roll_back_by_automation(paths, FALL, 60)
    assert direct == []
    ((path, credentials, event),) = prefect.events
    assert (path, credentials) == ("/api/events", "Basic bWU6c2VjcmV0")
    assert event["event"] == "seodang.canary.fell"
    assert event["payload"] == {"canary": "c1", "worse": "v0.2.0", "to": "v0.1.0", "message": FALL.reason}


def test_without_an_automation_the_watch_rolls_back_itself(paths, prefect, direct, caplog):
    assert not roll_back_by_automation(paths, FALL, 0.01)
    assert direct == [("v0.1.0", FALL.reason)]
    assert "no automation rolled back within 0.01 s" in caplog.text


def test_without_a_server_the_watch_rolls_back_itself(paths, monkeypatch, direct, caplog):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert not roll_back_by_automation(paths, FALL, 60)
    assert direct == [("v0.1.0", FALL.reason)]
    assert "got no event" in caplog.text


def test_the_event_of_a_canary_has_one_id():
    first, second = (fall.build_event("project", FALL) for _ in range(2))
    other = fall.build_event("project", Fall(canary="c2", worse="v0.2.0", version="v0.1.0", reason="x"))
    assert first["id"] == second["id"] != other["id"]


def test_an_event_needs_the_address_of_a_server(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(ReleaseError, match="PREFECT_API_URL"):
        require_api_url()


def test_a_version_that_was_rolled_back_meanwhile_gets_no_request_again(paths, build_champion):
    router = FakeRouter()
    traffic = GuardedTraffic(router, paths, "tiny:1")
    traffic.set_share(0.25)
    write_champion(paths.champion, build_champion("v0.1.0").model_copy(update={"model_tag": "tiny:0"}))
    with pytest.raises(ReleaseError, match="rolled back meanwhile"):
        traffic.set_share(1.0)
    traffic.set_share(0.0)
    assert router.shares == [0.25, 0.0]
