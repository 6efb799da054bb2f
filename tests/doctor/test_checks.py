"""Each fault is found and has the command that fixes it. Run: pytest tests/doctor"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from seodang.doctor import environment, machine, project, services
from seodang.doctor.checks import run_checks
from seodang.doctor.findings import Finding
from seodang.paths import Paths

Memory = namedtuple("Memory", "total available")


@pytest.fixture
def start_server(run_handler) -> Iterator[Callable[[int, bytes], int]]:
    """Starts an HTTP server that always answers the same; returns its port."""
    with ExitStack() as servers:

        def start_server(code: int, body: bytes) -> int:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(code)
                    self.end_headers()
                    self.wfile.write(body)

            return servers.enter_context(run_handler(Handler))

        yield start_server


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_project_in_order_has_no_error(paths):
    findings = list(run_checks(paths))
    assert [finding for finding in findings if finding.state == "error"] == []
    checks = {finding.check for finding in findings}
    assert {"Python", "packages", "disk", "memory", "GPU", "git", "DVC locks", "DVC remote", "ports"} <= checks


def test_another_version_than_in_the_lock_and_a_missing_package_are_named(paths):
    (paths.root / "requirements.lock").write_text(
        "dvc==0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\ntorch==2.13.0\n# pytest==1\n"
    )
    finding = only(environment.check_packages(paths.root))
    assert "2 packages differ" in finding.text
    assert "instead of 0.1" in finding.text
    assert "no-such-package is missing" in finding.text
    assert (finding.state, finding.command) == ("warning", "rm -f .venv/seodang-setup.sha256 && make setup")


def test_programs_that_are_missing_beside_python_are_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    finding = only(environment.check_python())
    assert (finding.state, finding.command) == ("error", "make setup")
    assert "dvc, bentoml, seodang" in finding.text


def test_a_folder_for_temporary_files_that_cannot_be_written_is_an_error(monkeypatch):
    def fail() -> None:
        raise FileNotFoundError(2, "No usable temporary directory")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    assert only(environment.check_temporary_folder()).command == "export TMPDIR=FOLDER"


@pytest.mark.parametrize(("free", "state"), [(9e9, "ok"), (4e9, "warning"), (5e8, "error")])
def test_a_disk_with_little_space_is_found(paths, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: namedtuple("Usage", "free")(int(free)))
    finding = next(machine.check_disks(paths))
    assert finding.state == state
    assert ("dvc gc --workspace --dry" in finding.command) is (state != "ok")


@pytest.mark.parametrize(
    ("total", "free", "state"), [(32e9, 20e9, "ok"), (32e9, 1e9, "warning"), (4e9, 3e9, "warning")]
)
def test_little_memory_is_found(monkeypatch, total, free, state):
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(int(total), int(free)))
    monkeypatch.setattr(machine, "_CGROUPS", ())
    finding = only(machine.check_memory())
    assert finding.state == state
    assert ("seodang plan" in finding.command) is (state == "warning")


@pytest.mark.parametrize(("used", "text"), [("500000000", "2.6 of 3.0 GB"), ("2900000000", "0.2 of 3.0 GB")])
def test_the_limit_of_a_container_and_its_use_count(monkeypatch, tmp_path, used, text):
    (tmp_path / "memory.max").write_text("3000000000\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(int(64e9), int(60e9)))
    monkeypatch.setattr(machine, "_CGROUPS", ((tmp_path, *machine._CGROUPS[0][1:]),))
    assert text in only(machine.check_memory()).text


def test_a_gpu_that_torch_cannot_use_is_found(paths, monkeypatch):
    monkeypatch.setattr(machine, "_list_cards", lambda: ["NVIDIA L4, 23034 MiB"])
    monkeypatch.setattr(machine, "_get_torch_version", lambda: "2.13.0+cpu")
    command = only(machine.check_gpu(paths)).command
    assert [part.split()[-1] for part in command.split(" && ")] == ["torch==2.13.0"] * 2
    assert "--no-deps" not in command.split(" && ")[1]  # it installs the CUDA libraries
    monkeypatch.setattr(machine, "_get_torch_version", lambda: "2.13.0")
    assert only(machine.check_gpu(paths)) == Finding("GPU", "ok", "NVIDIA L4, 23034 MiB")


def test_parameters_that_ask_for_a_gpu_without_one_are_an_error(paths, monkeypatch):
    monkeypatch.setattr(machine, "_list_cards", list)
    text = paths.params.read_text().replace("train:\n", "train:\n  device: cuda\n")
    paths.params.write_text(text)
    assert only(machine.check_gpu(paths)).state == "error"


def test_damaged_parameters_are_an_error(paths):
    paths.params.write_text("train: {epochs: -1}\n")
    assert only(project.check_params(paths)).state == "error"


def test_git_without_an_author_is_found(paths):
    assert only(project.check_git(paths)).state == "ok"
    for key in ("user.name", "user.email"):
        subprocess.run(["git", "config", "--unset", key], cwd=paths.root, check=True)
    assert "git config user.name" in only(project.check_git(paths)).command


@pytest.mark.parametrize("has_repository", [False, True])
@pytest.mark.parametrize("has_author", [False, True])
def test_the_command_for_git_makes_the_first_commit(tmp_path, monkeypatch, has_repository, has_author):
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = test\nemail = test@localhost\n" if has_author else "")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "new project"
    root.mkdir()
    (root / "file").write_text("x")
    if has_repository:
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    finding = only(project.check_git(Paths(root)))
    assert finding.state == "warning"
    subprocess.run(["bash", "-c", finding.command], cwd=root, check=True, capture_output=True)
    assert only(project.check_git(Paths(root))).state == "ok"


def test_the_command_for_the_environment_works_in_a_folder_with_a_blank(tmp_path, monkeypatch):
    scripts = tmp_path / "my project" / "bin"
    scripts.mkdir(parents=True)
    for name in ("python", "dvc", "bentoml", "seodang"):
        (scripts / name).touch()
    (scripts / "activate").write_text("echo activated\n")
    monkeypatch.setattr(environment.sys, "executable", str(scripts / "python"))
    monkeypatch.setattr(environment.shutil, "which", lambda _name: None)
    command = only(environment.check_python()).command
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert done.stdout == "activated\n"


def test_what_stops_a_run_is_an_error(paths):
    paths.inputs_lock.write_text("<<<<<<< HEAD\n")
    finding = only(project.check_workspace(paths))
    assert finding.state == "error"
    assert "git checkout --ours inputs.lock" in finding.text


def test_stale_locks_and_leftovers_name_the_repair(paths):
    assert [finding.state for finding in project.check_dvc_files(paths)] == ["ok"]
    (paths.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    (paths.root / ".dvc" / "tmp" / "rwlock").write_text("")
    (paths.artifacts / "prepare" / ".sketches-ab").mkdir(parents=True)
    findings = list(project.check_dvc_files(paths))
    assert [(finding.state, finding.command) for finding in findings] == [("warning", "seodang doctor --repair")] * 2
    assert (paths.root / ".dvc" / "tmp" / "rwlock").exists()  # it only looks


def test_a_running_dvc_is_no_fault(paths):
    (paths.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(["python", "-c", "import sys; sys.stdin.readline()", "dvc"], stdin=subprocess.PIPE)
    holder = {"pid": process.pid, "cmd": "dvc repro"}
    (paths.root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"write": {"/x": holder}}))
    finding = only(project.check_dvc_files(paths))
    process.communicate(b"\n")
    assert finding.state == "ok"
    assert f"{process.pid} (dvc repro)" in finding.text


@pytest.mark.parametrize(
    ("url", "state", "command"),
    [
        ("", "error", "dvc remote modify store url URL"),
        ("https://data.example/store?token=secret", "ok", ""),
        ("../../remote", "ok", ""),
    ],
)
def test_a_remote_is_checked_without_a_network(paths, url, state, command):
    config = paths.root / ".dvc" / "config"
    section = f"['remote \"store\"']\n    url = {url}\n" if url else ""
    config.write_text(f"[core]\n    remote = store\n{section}")
    finding = only(project.check_remote(paths))
    assert (finding.state, finding.command) == (state, command)
    assert "secret" not in finding.text


def test_a_remote_whose_package_is_missing_is_an_error(paths, monkeypatch):
    monkeypatch.setattr(project, "find_spec", lambda _name: None)
    (paths.root / ".dvc" / "config").write_text("[core]\n    remote = s\n['remote \"s\"']\n    url = s3://a/b\n")
    assert only(project.check_remote(paths)).command == "python -m pip install dvc-s3"


def test_the_prefect_api_is_asked(monkeypatch, start_server):
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{start_server(200, b'true')}/api")
    assert only(services.check_prefect()).state == "ok"
    monkeypatch.setenv("PREFECT_API_URL", f"http://user:secret@127.0.0.1:{start_server(401, b'')}/api")
    denied = only(services.check_prefect())
    assert denied.state == "error"
    assert "PREFECT_API_KEY" in denied.text
    assert "secret" not in denied.text
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{start_server(200, b'<html>')}/api")
    assert "another program" in only(services.check_prefect()).text


def test_a_prefect_api_that_does_not_answer_is_an_error_only_where_it_is_named(monkeypatch, free_port):
    monkeypatch.setattr(services, "_PREFECT_URL", f"http://127.0.0.1:{free_port}/api")
    assert only(services.check_prefect()).state == "ok"
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port}/api")
    finding = only(services.check_prefect())
    assert (finding.state, finding.command) == ("error", "unset PREFECT_API_URL && make flows")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_port_of_another_program_is_found(monkeypatch, start_server, free_port):
    monkeypatch.setattr(services, "_SERVICE_PORT", free_port)
    assert only(services.check_ports()).state == "ok"
    monkeypatch.setattr(services, "_SERVICE_PORT", port := start_server(404, b""))
    command = only(services.check_ports()).command
    assert port < int(command.removeprefix("seodang serve --port ")) <= port + 20
    monkeypatch.setattr(services, "_SERVICE_PORT", start_server(200, b""))
    assert "BentoML" in only(services.check_ports()).text


def test_a_packaged_model_that_the_store_lacks_is_found(paths):
    assert only(services.check_store(paths)).state == "ok"
    paths.package_report.parent.mkdir(parents=True)
    paths.package_report.write_text(json.dumps({"bento_tag": "tiny:abc"}))
    assert only(services.check_store(paths)).command == "dvc repro --force --single-item package"
    (Path(os.environ["BENTOML_HOME"]) / "bentos" / "tiny" / "abc").mkdir(parents=True)
    assert only(services.check_store(paths)).state == "ok"
