"""Each printed command is run as it stands, and the check that printed it is content afterwards.

Not run here: `make setup` and `python -m pip install ...`, which install packages; `nvidia-smi` and the build of torch
for CUDA, which need a GPU; `sudo chown`, which needs a second user; `seodang serve`, `make flows` and
`python -m flows.serve`, which serve until Ctrl-C (tests/flows and tests/service run them). Commands about little disk
space or memory only list what takes it.
Run: pytest tests/doctor/test_commands.py
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import namedtuple
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from seodang.config.yaml_file import read_yaml
from seodang.doctor import environment, machine, project, services
from seodang.doctor.findings import Finding
from seodang.paths import Paths

PYTHON = shlex.quote(sys.executable)
VALUES = {"FOLDER": "elsewhere", "URL": "../store", "NAME": "한글 이름", "ADDRESS": "test@localhost", "KEY": "k-1"}
"""What a user puts in for the words in capitals."""


@pytest.fixture
def execute(monkeypatch) -> Callable[[str, Path], str]:
    """Runs a command as a user would type it; variables that it sets stay set, as in a terminal."""

    def execute(command: str, folder: Path) -> str:
        words = re.compile(rf"\b({'|'.join(VALUES)})\b")
        line = words.sub(lambda match: VALUES[match[1]], command)
        show = f"{PYTHON} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
        done = subprocess.run(
            ["bash", "-c", f"{line}\ncode=$?; echo; {show}; exit $code"],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        *output, variables = done.stdout.strip().splitlines()
        for name, value in json.loads(variables).items():
            if value != os.environ.get(name):
                monkeypatch.setenv(name, value)
        return "\n".join(output)

    return execute


def find_faults(findings: Iterator[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state != "ok"]


def find_command(text: str, start: str) -> str:
    """Return the command that a text names behind some words."""
    return re.search(rf"{re.escape(start)}\s*([^;]+)", text)[1]


def test_the_scripts_of_the_environment_are_found_after_its_command(tmp_path, monkeypatch, execute):
    folder = tmp_path / "my project" / ".venv"
    venv.create(folder)
    for name in ("dvc", "bentoml", "seodang"):
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setattr("sys.executable", str(folder / "bin" / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    (fault,) = find_faults(environment.check_python())
    execute(fault.command, tmp_path)
    assert find_faults(environment.check_python()) == []


def test_another_folder_takes_the_temporary_files(tmp_path, monkeypatch, execute):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    (fault,) = find_faults(environment.check_temporary_folder())
    execute(fault.command, tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)  # as in the next process
    assert find_faults(environment.check_temporary_folder()) == []


@pytest.mark.slow
def test_the_commands_about_little_space_and_memory_list_what_takes_it(paths, tiny_model, monkeypatch, execute):
    model = {"name": "tiny", "source": "path", "path": str(tiny_model), "sha256": None}
    paths.params.write_text(json.dumps({**read_yaml(paths.params), "model": model}))  # JSON is YAML
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: namedtuple("Usage", "free")(int(1e8)))
    monkeypatch.setattr("psutil.virtual_memory", lambda: namedtuple("Memory", "total available")(int(4e9), int(1e9)))
    (disk, *_others), (memory,) = find_faults(machine.check_disks(paths)), find_faults(machine.check_memory())
    assert "./.dvc" in execute(disk.command, paths.root)
    assert "RSS" in execute(memory.command, paths.root)


def test_missing_parameters_come_back_from_git(paths, execute):
    paths.params.unlink()
    (fault,) = find_faults(project.check_params(paths))
    execute(find_command(fault.text, "restore the file:"), paths.root)
    assert find_faults(project.check_params(paths)) == []


def test_git_knows_its_author_after_the_command(paths, execute):
    for key in ("user.name", "user.email"):
        subprocess.run(["git", "config", "--unset", key], cwd=paths.root, check=True)
    (fault,) = find_faults(project.check_git(paths))
    execute(fault.command, paths.root)
    assert find_faults(project.check_git(paths)) == []


def test_a_conflict_ends_after_git_took_a_side(paths, execute):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost"]
    for branch in ("one", "two"):
        subprocess.run([*git, "checkout", "-q", "-b", branch, "HEAD" if branch == "one" else "one~1"], cwd=paths.root)
        paths.inputs_lock.write_text(f"{branch}: 1\n")
        subprocess.run(["git", "add", "."], cwd=paths.root, check=True)
        subprocess.run([*git, "commit", "-q", "-m", branch], cwd=paths.root, check=True)
    subprocess.run([*git, "merge", "-q", "one"], cwd=paths.root, check=False, capture_output=True)
    (fault,) = find_faults(project.check_workspace(paths))
    execute(re.search(r"git checkout --ours \S+(?: && git add \S+)?", fault.text)[0].rstrip(";,."), paths.root)
    assert find_faults(project.check_workspace(paths)) == []


@pytest.mark.parametrize(("fault", "start"), [(".dvc", "or run:"), (".git", "run:"), (".git", "work without git:")])
def test_a_folder_becomes_a_project_after_the_command(paths, monkeypatch, execute, fault, start):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(paths.root.parent))
    for name in ("author", "committer"):
        monkeypatch.setenv(f"GIT_{name.upper()}_NAME", "test")
        monkeypatch.setenv(f"GIT_{name.upper()}_EMAIL", "test@localhost")
    shutil.rmtree(paths.root / fault)
    (found,) = find_faults(project.check_workspace(paths))
    execute(find_command(found.text, start), paths.root)
    assert find_faults(project.check_workspace(paths)) == []


def test_a_file_in_the_way_of_a_folder_is_moved_by_the_command(paths, execute):
    paths.artifacts.write_text("")
    (fault,) = find_faults(project.check_workspace(paths))
    execute(find_command(fault.text, "move it away:"), paths.root)
    assert find_faults(project.check_workspace(paths)) == []


def test_folders_may_be_written_after_the_command(paths, execute, without_privileges):
    store, remote = Path(os.environ["BENTOML_HOME"]), paths.root.parent / "remote"
    for folder in (paths.artifacts, store, remote):
        folder.mkdir()
        folder.chmod(0o500)
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {remote}\n"
    (paths.root / ".dvc" / "config").write_text(config)
    before = run_doctor(paths, without_privileges)
    execute(find_command(before, "change that:"), paths.root)
    execute(re.search(r"^\s*\$ (chmod .*)$", before, re.MULTILINE)[1], paths.root)
    (paths.root / "elsewhere").mkdir()
    execute(find_command(before, "choose another folder:").splitlines()[0], paths.root)
    after = run_doctor(paths, without_privileges)
    assert [line for line in after.splitlines() if line.startswith("error")] == []


def run_doctor(paths: Paths, without_privileges: Callable[[list[str]], list[str]]) -> str:
    """Return what the command prints, with each finding on one line."""
    command = without_privileges([sys.executable, "-m", "seodang", "doctor"])
    done = subprocess.run(command, cwd=paths.root, capture_output=True, text=True, check=False)
    return re.sub(r"\n {20,}(?=[^ $])", " ", done.stdout)


def test_the_repair_removes_locks_and_leftovers(paths, execute):
    (paths.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    (paths.root / ".dvc" / "tmp" / "rwlock").write_text("")
    (paths.artifacts / "prepare" / ".sketches-ab").mkdir(parents=True)
    commands = {fault.command for fault in find_faults(project.check_dvc_files(paths))}
    for command in commands:
        execute(command, paths.root)
    assert commands
    assert find_faults(project.check_dvc_files(paths)) == []


def test_a_remote_has_a_url_after_the_command(paths, execute):
    (paths.root / ".dvc" / "config").write_text("[core]\n    remote = store\n['remote \"store\"']\n    jobs = 2\n")
    (fault,) = find_faults(project.check_remote(paths))
    execute(fault.command, paths.root)
    assert find_faults(project.check_remote(paths)) == []


def test_the_store_has_the_packaged_model_after_the_command(paths, execute):
    bento = f"{os.environ['BENTOML_HOME']}/bentos/tiny/abc"
    stage = f"stages:\n  package:\n    cmd: mkdir -p {bento} && touch done.txt\n    outs: [done.txt]\n"
    paths.dvc_yaml.write_text(stage)  # a stage that fills the store, as `package` does
    paths.package_report.parent.mkdir(parents=True)
    paths.package_report.write_text(json.dumps({"bento_tag": "tiny:abc"}))
    execute("dvc repro", paths.root)
    shutil.rmtree(bento)
    (fault,) = find_faults(services.check_store(paths))
    execute(fault.command, paths.root)
    assert find_faults(services.check_store(paths)) == []


class PrefectWithKey(BaseHTTPRequestHandler):
    """A server that wants the key of VALUES."""

    def do_GET(self) -> None:
        is_known = self.headers.get("Authorization") == f"Bearer {VALUES['KEY']}"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        self.wfile.write(b"true" if is_known else b"")


def test_a_server_that_wants_a_key_accepts_the_one_of_the_command(tmp_path, monkeypatch, execute, run_handler):
    monkeypatch.delenv("PREFECT_API_KEY", raising=False)
    with run_handler(PrefectWithKey) as port:
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
        (fault,) = find_faults(services.check_prefect())
        execute(fault.command, tmp_path)
        assert find_faults(services.check_prefect()) == []
