"""The commands of DVC of a flow run share a process. Run: pytest tests/flows/test_dvc_commands.py"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from flows.dvc_commands import DvcProcess, get_dvc_process, keep_dvc_process
from tests.flows.prefect_processes import BIN

_STAGES = """
stages:
  one: {cmd: "echo 하나 && echo $WORD > one.txt", deps: [in.txt], outs: [one.txt]}
  two: {cmd: "kill -9 $PPID; sleep 300", deps: [one.txt], outs: [two.txt]}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "dvc.yaml").write_text(_STAGES)
    (folder / "in.txt").write_text("in")
    for command in (["git", "init", "-q"], [BIN / "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def run(process: DvcProcess, *arguments: str, **environment: str) -> tuple[int, str]:
    lines = []
    output = process.run(arguments, environment)
    try:
        while True:
            lines.append(next(output))
    except StopIteration as end:
        return end.value, "".join(lines)


def list_children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.mark.slow
def test_commands_share_a_process_that_ends_with_the_run(project):
    before = set(list_children())
    with keep_dvc_process(project):
        process = get_dvc_process(project)
        assert get_dvc_process(project.parent) is None
        code, text = run(process, "repro", "--single-item", "one", WORD="가")
        assert (code, "하나" in text, (project / "one.txt").read_text()) == (0, True, "가\n")
        server = {child.pid for child in set(list_children()) - before}
        code, text = run(process, "repro", "--single-item", "one", WORD="나")  # not changed: DVC knows of no WORD
        assert (code, "didn't change" in text) == (0, True)
        code, text = run(process, "repro", "--single-item", "missing")
        assert (code, "missing" in text) == (255, True)
        code, text = run(process, "no-such-command")
        assert (code, "no-such-command" in text) == (254, True)
        assert {child.pid for child in set(list_children()) - before} == server
    assert get_dvc_process(project) is None
    assert set(list_children()) - before == set()


@pytest.mark.slow
def test_a_killed_process_ends_its_command_and_the_next_one_starts_another(project):
    process = DvcProcess(project, ())
    assert run(process, "repro", "--single-item", "two")[0] == 137  # the fork that runs DVC is the parent of the shell
    (guard,) = [child for child in list_children() if "dvc_server.py" in " ".join(child.cmdline()) and child.children()]
    os.kill(guard.children()[0].pid, signal.SIGKILL)
    guard.wait()
    assert run(process, "--version")[0] == 0
    process.close()
    assert [child for child in list_children() if "dvc_server.py" in " ".join(child.cmdline())] == []
