"""Output that is closed, full or cannot write Korean decides nothing but what is seen of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.cli.main import main

_CALL = "import sys; from seodang.cli.main import main; sys.exit(main({words!r}))"
# A command that prints Korean and an emoji, and then ends with 3, as `seodang run` does.
_RUN = """
import sys
from seodang.cli import main as module, report
from seodang.cli.terminal import print_lines
def print_and_end():
    print_lines(["\\ud310\\uc815: \\ubc18\\ub824 \\U0001f600 \\udcff"] * 1000)
    return 3
report.report = print_and_end
sys.exit(module.main(["report"]))
"""


@pytest.fixture
def run_shell() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs Python code with a redirection of the shell, after a command of the shell such as a limit."""

    def run_shell(
        code: str, redirection: str = "", before: str = "", **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        variables = {name: value for name, value in os.environ.items() if name != "SEODANG_LANG"}
        return subprocess.run(
            ["bash", "-c", f'{before}"$0" -c "$1" {redirection}', sys.executable, code],
            cwd=ROOT,
            env={**variables, **environment},
            capture_output=True,
            check=False,
        )

    return run_shell


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp949"},
        {"PYTHONIOENCODING": "utf-16"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
def test_no_encoding_takes_a_run_its_exit_code(run_shell, environment):
    done = run_shell(_RUN, SEODANG_LANG="ko", **environment)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout


def test_korean_that_an_encoding_lacks_is_written_as_its_codes(run_shell):
    assert b"\\ud310\\uc815: " in run_shell(_RUN, PYTHONIOENCODING="ascii").stdout


def test_messages_are_english_where_korean_cannot_be_written(run_shell):
    code = _CALL.format(words=["nope"])
    assert b"there is no command" in run_shell(code, SEODANG_LANG="ko", PYTHONIOENCODING="ascii").stderr
    assert "명령" in run_shell(code, SEODANG_LANG="ko", PYTHONIOENCODING="utf-8").stderr.decode()


def test_a_closed_stdout_takes_a_run_its_output_only(run_shell):
    done = run_shell(_RUN, ">&-")
    assert (done.returncode, done.stderr) == (3, b"")


@pytest.mark.parametrize("redirection", [">&- 2>&-", "<&- >&- 2>&-", "2>&-"])
def test_closed_descriptors_change_no_exit_code(run_shell, redirection):
    assert run_shell(_RUN, redirection).returncode == 3
    assert run_shell(_CALL.format(words=["nope"]), redirection).returncode == 2


@pytest.mark.parametrize(
    ("limit", "file", "reason"),
    [
        *([("", "/dev/full", b"No space left on device")] if Path("/dev/full").exists() else []),
        ("ulimit -f 0; ", "full.txt", b"File too large"),  # a quota: the same on every system
    ],
)
def test_a_full_stdout_is_said_and_changes_only_the_code_of_success(run_shell, tmp_path, limit, file, reason):
    full = tmp_path / file  # an absolute path stays as it is
    done = run_shell(_RUN, f">{full}", limit)
    assert done.returncode == 3
    assert b"its output could not be written (" + reason in done.stderr
    done = run_shell(_CALL.format(words=["config", "show"]), f">{full}", limit)
    assert done.returncode == 74
    assert done.stderr.count(b"\n") == 1
    assert run_shell(_CALL.format(words=["nope"]), f"2>{full}", limit).returncode == 2


def test_a_reader_that_leaves_ends_the_command_without_a_word(run_shell):
    done = run_shell(_RUN, '| head -n 1 >&2; exit "${PIPESTATUS[0]}"')
    assert done.returncode == 141
    assert b"Error" not in done.stderr


def test_a_log_whose_reader_leaves_does_not_stop_the_work(run_shell):
    """As in `dvc repro 2>&1 | head`: progress goes to stderr."""
    code = (
        "import logging, sys; from seodang.cli import main as module, report\n"
        "def work():\n"
        "    for _ in range(20000): logging.getLogger('seodang').info('\\uc9c4\\ud589')\n"
        "    return 3\n"
        "report.report = work\n"
        "sys.exit(module.main(['report']))"
    )
    assert run_shell(code, '2>&1 >/dev/null | head -n 1; exit "${PIPESTATUS[0]}"').returncode == 3


def test_a_pipe_to_another_process_that_breaks_is_no_closed_output(monkeypatch, capsys):
    def fail(_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr("seodang.cli.report.print_summary", fail)
    assert main(["report"]) == 70


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("HUP", 129)])
def test_a_signal_unwinds_the_stack(run_shell, tmp_path, signal, code):
    text = (
        "import os, signal, sys; from pathlib import Path; from seodang.cli import main as module, report\n"
        "from seodang.io.atomic import replace_folder\n"
        f"signal.signal(signal.SIG{signal}, signal.SIG_DFL)  # nohup ignores it\n"
        "def work():\n"
        f"    with replace_folder(Path({str(tmp_path / 'model')!r})): os.kill(os.getpid(), signal.SIG{signal})\n"
        "report.report = work\n"
        "sys.exit(module.main(['report']))"
    )
    assert run_shell(text).returncode == code
    assert list(tmp_path.iterdir()) == []
