"""A signal ends a command with one line and 128 + its number. Run: pytest tests/cli/test_signals.py"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from seodang.cli.main import main
from seodang.cli.signals import EndedBySignal, unwind_on_signals

# A process that is started in the background inherits that SIGINT is ignored, one below nohup SIGHUP.
_DEFAULTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
# Like DVC, it ignores SIGINT while a stage runs; the stage notes which signal ended it.
_DVC = f"""{_DEFAULTS}
import signal, subprocess, sys
stage = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.exit(stage.wait())
"""
_STAGE = f"""{_DEFAULTS}
import time
from pathlib import Path
from seodang.cli.signals import EndedBySignal, unwind_on_signals
with unwind_on_signals():
    try:
        Path("ready").touch()
        time.sleep(60)
    except (EndedBySignal, KeyboardInterrupt) as error:
        Path("ended").write_text(type(error).__name__)
"""
_RUN = f"""{_DEFAULTS}
import subprocess, sys
from seodang.cli.signals import unwind_on_signals, wait_and_pass_on
with unwind_on_signals():
    sys.exit(wait_and_pass_on(subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])))
"""


@pytest.fixture
def default_handlers():
    """The usual handlers; a command that runs in the background inherits that SIGINT is ignored, nohup SIGHUP."""
    numbers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_handlers")
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_ends_a_command_with_one_line(number, code, words, monkeypatch, capsys):
    monkeypatch.setattr("seodang.cli.report.print_summary", lambda _paths: os.kill(os.getpid(), number))
    handler = signal.getsignal(number)
    assert main(["report"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"seodang: {words}; no half-written file is left")
    assert signal.getsignal(number) == handler


def test_the_line_is_korean_where_the_terminal_is(monkeypatch, capsys):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    monkeypatch.setattr("seodang.cli.report.print_summary", lambda _paths: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["report"]) == 143
    assert "SIGTERM 신호로 끝났습니다" in capsys.readouterr().err


def test_a_signal_that_comes_twice_does_not_interrupt_the_cleaning_up():
    """As Ctrl-C in a terminal, which reaches the stage both directly and through `seodang run`."""
    cleaned = []

    def work() -> None:
        with unwind_on_signals():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                cleaned.append(True)

    with pytest.raises(EndedBySignal):
        work()
    assert cleaned


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "EndedBySignal"), (signal.SIGHUP, "EndedBySignal")],
)
@pytest.mark.parametrize("to_group", [True, False])
def test_a_run_that_ends_by_a_signal_leaves_no_stage_behind(tmp_path: Path, number, error, to_group):
    run = subprocess.Popen([sys.executable, "-c", _RUN, _DVC, _STAGE], cwd=tmp_path, start_new_session=True)
    while not (tmp_path / "ready").exists():
        time.sleep(0.05)
    processes = psutil.Process(run.pid).children(recursive=True)
    (os.killpg if to_group and number == signal.SIGINT else os.kill)(run.pid, number)
    assert run.wait(30) == 128 + number
    assert (tmp_path / "ended").read_text() == error
    assert not any(process.is_running() for process in processes)
