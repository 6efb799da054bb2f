"""Signals that end a command: they unwind the stack, so that nothing half-written is left."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, NoReturn

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)  # of schedulers that cancel, and of terminals that close
_REPEAT_SECONDS: Final = 1.0  # Ctrl-C reaches every process of the terminal, and `seodang run` passes it on


class EndedBySignal(SystemExit):
    """A signal ends this process; the code is 128 + its number, as of a shell."""

    code: int

    def __init__(self, number: int) -> None:
        """Keep the signal of a number."""
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


@contextlib.contextmanager
def unwind_on_signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does; yield the numbers of the signals that came.

    A signal that comes twice in a second counts once: the second one would interrupt the cleaning up.

    A signal that is ignored (nohup) or handled elsewhere stays so.
    """
    is_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDING)} if is_main_thread else {}
    handled = [
        number for number, handler in handlers.items() if handler in (signal.SIG_DFL, signal.default_int_handler)
    ]
    raise_once = _RaiseOnce()
    for number in handled:
        signal.signal(number, raise_once)
    try:
        yield raise_once.received
    finally:
        for number in handled:
            signal.signal(number, handlers[number])


class _RaiseOnce:
    """Handler that raises the error of a signal, and ignores the same signal for a second after it."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self.received: list[int] = []

    def __call__(self, number: int, _frame: Any) -> None:
        now = time.monotonic()
        is_repeated = now - self._last.get(number, -_REPEAT_SECONDS) < _REPEAT_SECONDS
        self._last[number] = now
        if not is_repeated:
            self.received.append(number)
            _raise_signal_error(number)


def _raise_signal_error(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise EndedBySignal(number)


def wait_and_pass_on(process: subprocess.Popen[Any]) -> int:
    """Wait for DVC and return its exit code; a signal that ends this process first ends the stage, then DVC.

    Without it, a stage would continue after `kill` and write beside the next run.

    Returns:
        The exit code of DVC, or 128 + the number of the signal.
    """
    received: int | None = None
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            received = signal.SIGINT
        except EndedBySignal as error:
            received = error.signal
        else:
            return code if received is None else 128 + received
        _send_to_stage(process.pid, received)
        # Between stages, DVC ends; while a stage runs, DVC ignores SIGINT, and ends with the stage.
        process.send_signal(signal.SIGINT)


def _send_to_stage(pid: int, number: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP interrupt DVC as Ctrl-C does, after the stage that runs: DVC then releases its locks."""
    signal.signal(signal.SIGINT, _RaiseOnce())
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_arguments: signal.raise_signal(signal.SIGINT))
