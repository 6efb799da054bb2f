import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flows import serve


class Stranger(BaseHTTPRequestHandler):
    """Some other program's web server: every address answers with a page."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_):
        pass


@pytest.fixture
def stranger() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def environment(monkeypatch):
    """An environment that forgets what serving sets in it."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setenv("PREFECT_API_URL", "")
    return monkeypatch


def test_a_port_taken_by_another_program_is_named(stranger, environment, tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    assert serve.main(["--port", str(stranger), "--project", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"127.0.0.1:{stranger} is taken by something that is not a Prefect server" in told
    assert "--port" in told


def test_a_server_elsewhere_is_never_started_here(environment, tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    environment.setenv("PREFECT_API_URL", "http://prefect.invalid/api")
    assert serve.main(["--project", str(tmp_path)]) == 2
    assert "no Prefect server answers at http://prefect.invalid/api" in capsys.readouterr().err


def test_a_folder_without_a_pipeline_is_named(tmp_path, capsys):
    assert serve.main(["--project", str(tmp_path)]) == 2
    assert f"{tmp_path} has no dvc.yaml" in capsys.readouterr().err


def test_nothing_answers_where_nobody_listens(stranger):
    assert serve.probe(f"http://127.0.0.1:{stranger}/api") == "something else"
    assert serve.probe("http://127.0.0.1:1/api") == "nothing"


def test_the_instructions_name_the_address_the_other_terminal_needs():
    text = serve._format_instructions("http://127.0.0.1:4321/api")
    assert "화면 · UI:  http://127.0.0.1:4321\n" in text
    assert "PREFECT_API_URL=http://127.0.0.1:4321/api" in text
    assert "prefect deployment run 'instruction-tuning/local' --watch" in text
