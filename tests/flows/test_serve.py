import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from flows import serve


class OtherServer(BaseHTTPRequestHandler):
    """The web server of another program: every URL returns a page."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")


@pytest.fixture
def other_server(run_handler) -> Iterator[int]:
    with run_handler(OtherServer) as port:
        yield port


@pytest.fixture
def environment(monkeypatch):
    """A copy of the environment; variables that serving sets in it are dropped after the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setenv("PREFECT_API_URL", "")
    return monkeypatch


def test_a_port_taken_by_another_program_is_named(other_server, environment, tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    assert serve.main(["--port", str(other_server), "--project", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert f"another program uses http://127.0.0.1:{other_server}" in message
    assert "--port" in message


def test_a_server_elsewhere_is_never_started_here(environment, tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    environment.setenv("PREFECT_API_URL", "http://prefect.invalid/api")
    assert serve.main(["--project", str(tmp_path)]) == 2
    assert "no Prefect server answers at http://prefect.invalid/api" in capsys.readouterr().err


def test_a_folder_without_a_pipeline_is_named(tmp_path, capsys):
    assert serve.main(["--project", str(tmp_path)]) == 2
    assert f"{tmp_path} has no dvc.yaml" in capsys.readouterr().err


def test_nothing_answers_where_nobody_listens(other_server):
    assert serve.probe(f"http://127.0.0.1:{other_server}/api") == "something else"
    assert serve.probe("http://127.0.0.1:1/api") == "nothing"


def test_the_instructions_name_the_address_the_other_terminal_needs():
    text = serve._format_instructions("http://127.0.0.1:4321/api")
    assert "UI:  http://127.0.0.1:4321\n" in text
    assert "PREFECT_API_URL=http://127.0.0.1:4321/api" in text
    assert "prefect deployment run 'instruction-tuning/local' --watch" in text


@pytest.mark.parametrize("port", ["0", "99999", "-5"])
def test_a_port_that_does_not_exist_is_named(environment, tmp_path, capsys, port):
    (tmp_path / "dvc.yaml").touch()
    assert serve.main(["--port", port, "--project", str(tmp_path)]) == 2
    assert f"port {port} does not exist" in capsys.readouterr().err


def test_a_folder_in_the_way_of_the_servers_state_is_named(environment, tmp_path, capsys):
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / ".seodang").write_text("")
    assert serve.main(["--project", str(tmp_path)]) == 2
    assert ".seodang/prefect: a part of this path is a file" in capsys.readouterr().err
