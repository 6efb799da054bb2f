"""HAProxy between two small servers. Run: pytest tests/release/test_router.py (apt-get install haproxy)"""

import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler

import pytest

from seodang.errors import ReleaseError
from seodang.release.router import Router, find_program, write_config
from seodang.release.traffic import get_live_port, give_all_to, place_candidate


@pytest.fixture
def serve(run_handler):
    """Answers each request with a name and a status; probes always succeed, and slowly if they are counted."""

    def serve(name, status=200, probes=None):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/readyz" and probes is not None:
                    time.sleep(1.5)
                    probes.release()
                self.send_response(200 if self.path == "/readyz" else status)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

        return run_handler(Handler)

    return serve


def ask(url, body=None):
    try:
        with urllib.request.urlopen(url, body, timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        return error.code


def test_requests_follow_the_share_and_all_are_answered(serve, run_router, tmp_path):
    with serve(b"old") as old, serve(b"new") as new, run_router(tmp_path, old, new) as (router, url):
        assert {ask(url) for _ in range(20)} == {b"old"}
        router.set_share(0.5)
        answers = [ask(url) for _ in range(200)]
        assert set(answers) == {b"old", b"new"}
        assert 50 <= answers.count(b"new") <= 150  # seven standard deviations
        router.set_share(1.0)
        assert {ask(url) for _ in range(20)} == {b"new"}
        router.set_share(0.0)
        assert {ask(url) for _ in range(20)} == {b"old"}


def test_responses_are_counted_by_server_without_errors_of_clients(serve, run_router, tmp_path):
    with (
        serve(b"bad request", 404) as old,
        serve(b"broken", 500) as new,
        run_router(tmp_path, old, new) as (router, url),
    ):
        before = router.count_responses()
        assert ask(url) == 404
        router.set_share(1.0)
        assert ask(url) == 500
        after = router.count_responses()
        assert (after["reference"].failed, after["candidate"].failed) == (0, 1)
        assert after["reference"].answered == before["reference"].answered


def test_a_rating_reaches_the_server_that_knows_its_answer(serve, run_router, tmp_path):
    with serve(b"", 404) as old, serve(b"new") as new, run_router(tmp_path, old, new) as (router, url):
        assert {ask(f"{url}/feedback", b"{}") for _ in range(6)} == {b"new"}
        before = router.count_responses()
        assert ask(f"{url}/generate", b"{}") == 404
        assert ask(f"{url}/feedback", b"{}") == b"new"
        assert router.count_responses() == before


def test_ratings_follow_a_server_to_another_port(serve, run_router, tmp_path):
    with serve(b"", 404) as old, serve(b"new") as new, run_router(tmp_path, old, old) as (router, url):
        assert ask(f"{url}/feedback", b"{}") == 404
        router.set_port("candidate", new)
        assert {ask(f"{url}/feedback", b"{}") for _ in range(4)} == {b"new"}


def test_a_rating_that_no_server_knows_is_refused(serve, run_router, tmp_path):
    with serve(b"", 404) as old, serve(b"", 404) as new, run_router(tmp_path, old, new) as (_router, url):
        assert {ask(f"{url}/feedback", b"{}") for _ in range(4)} == {404}


def test_no_request_fails_when_the_candidate_is_not_there(serve, run_router, tmp_path, find_free_port):
    with serve(b"old") as old, run_router(tmp_path, old, find_free_port()) as (router, url):
        router.set_share(0.5)
        assert {ask(url) for _ in range(40)} == {b"old"}


def test_a_busy_server_whose_probes_take_longer_than_their_interval_still_answers(serve, run_router, tmp_path):
    probes = threading.Semaphore(0)
    with serve(b"old", probes=probes) as old, run_router(tmp_path, old, old) as (_router, url):
        for _probe in range(6):  # three of each server; two that fail would take it out of service
            assert probes.acquire(timeout=60)
        assert ask(url) == b"old"


def test_a_server_moves_to_another_port_without_a_failed_request(serve, run_router, tmp_path):
    with serve(b"old") as old, serve(b"new") as new, run_router(tmp_path, old, old) as (router, url):
        place_candidate(router, old, new)
        assert router.read_ports() == {"reference": old, "candidate": new}
        assert {ask(url) for _ in range(20)} == {b"old"}
        give_all_to(router, new)
        assert {ask(url) for _ in range(20)} == {b"new"}
        assert get_live_port(router) == new
        with serve(b"newest") as newest:
            place_candidate(router, new, newest)
            assert router.read_ports() == {"reference": new, "candidate": newest}
            assert {ask(url) for _ in range(20)} == {b"new"}
            give_all_to(router, newest)
            assert {ask(url) for _ in range(20)} == {b"newest"}


def test_a_router_that_does_not_run_is_an_error_in_korean_too(tmp_path, monkeypatch):
    write_config(tmp_path, address="127.0.0.1", port=1, reference=2, candidate=3)
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ReleaseError, match="라우터"):
        Router(tmp_path).set_share(0.1)


def test_a_missing_haproxy_is_an_error_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReleaseError, match="apt-get install haproxy"):
        find_program()
