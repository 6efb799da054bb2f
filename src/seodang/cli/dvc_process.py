"""Run `dvc repro` for `seodang run`: DVC's own errors stay as they are, its hints and the noise of stages do not.

This is a separate process, because DVC's logging belongs to the process. The output of stages goes to the terminal
without a pipe between, so that they draw progress bars. A stage says itself why it fails; this process ends with its
exit code.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import signal
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

from seodang.cli.signals import interrupt_on_signals
from seodang.cli.streams import discard_output, prepare_streams
from seodang.dvc_state.lock_holders import list_living_holders
from seodang.dvc_state.repair import repair_dvc_files
from seodang.errors import DiskFull, SeodangError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.io.os_errors import describe_os_text, is_disk_full_error
from seodang.io.process_lock import hold_process_lock
from seodang.paths import Paths

_LOGGERS: Final = ("dvc", "dvc_objects", "dvc_data")
_PIPE_CLOSED: Final = 141
_INTERRUPTED: Final = 130
_POLL_SECONDS: Final = 0.5
_EXIT_CODES: Final = {
    0: 0,
    _PIPE_CLOSED: _PIPE_CLOSED,
    252: _INTERRUPTED,
}  # of DVC; any other is an error of DVC that it has shown
_RUNNING: Final = "Running stage '%s':"
_UNCHANGED: Final = ("Stage '%s' didn't change, skipping", "'%s' didn't change, skipping")
_CACHED: Final = "Stage '%s' is cached - skipping run, checking out outputs"
_NOISE: Final = (
    "",
    "%s %s",  # the command of a stage, which is always `seodang stage NAME`
    "Generating lock file '%s'",
    "Updating lock file '%s'",
    "\nTo track the changes with git, run:\n\n%s",
    "\nTo enable auto staging, run:\n\n\tdvc config core.autostage true",
)
_EMPTY: Final = "'%s' is empty."  # a file without quarantined rows, duplicates or leaks
_FAILED: Final = re.compile(r"failed to run: (?P<command>.*), exited with (?P<code>-?\d+)$", re.DOTALL)


class StageProgress(logging.Handler):
    """Prints a line per stage that runs, and one line for all that have not changed."""

    def __init__(self) -> None:
        """Begin without any stage."""
        super().__init__(logging.INFO)
        self._stream = sys.stdout
        self._unchanged: list[str] = []
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message of DVC in our words, or as it is."""
        if record.levelno != logging.INFO or record.msg in _NOISE:
            return
        if record.msg in _UNCHANGED:
            self._unchanged.append(str(record.args[0]) if isinstance(record.args, tuple) else "")
            return
        if record.msg not in (_RUNNING, _CACHED):
            self._print(record.getMessage())
        elif (name := str(record.args[0]) if isinstance(record.args, tuple) else "") not in self._printed:
            self.print_unchanged()
            self._printed.add(name)  # `inputs` runs each time that DVC is called
            is_cached = record.msg == _CACHED
            text = _("stage {name}: its results are in DVC's cache", name=name) if is_cached else None
            self._print("\n" + (text or _("stage {name}", name=name)))

    def print_unchanged(self) -> None:
        """Print the stages that were skipped since the last line, each once."""
        names = list(dict.fromkeys(name for name in self._unchanged if name not in self._printed))
        self._printed.update(names)
        self._unchanged = []
        if names:
            self._print("\n" + _("unchanged: {stages}", stages=", ".join(names)))

    def _print(self, text: str) -> None:
        """Print above DVC's progress bars, before the next stage writes."""
        from dvc.progress import Tqdm

        Tqdm.write(text, file=self._stream)
        self._stream.flush()


class StageFailures(logging.Filter):
    """Keeps warnings and errors of DVC, but not the error that a stage failed: the stage has said why.

    An error of the system gets Seodang's message instead: DVC's names no way out.
    """

    exit_code: int | None = None
    command = ""
    is_disk_full = False
    is_locked = False  # another DVC process holds paths that this one needs

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether DVC prints a message; note the exit code of a failed stage."""
        if record.msg == _EMPTY:
            return False
        error = record.exc_info[1] if record.exc_info else None
        texts: list[str] = []
        while error is not None:
            if isinstance(error, BrokenPipeError):
                self.exit_code = _PIPE_CLOSED
                return False
            if type(error).__name__ == "LockError":  # of DVC, which is not imported before it is needed
                self.is_locked = True
                return False
            if match := _FAILED.search(str(error)):
                self.exit_code, self.command = int(match["code"]), match["command"]
                return False
            texts.append(str(error))
            error = error.__cause__
        if reason := describe_os_text("\n".join(texts)):
            self.is_disk_full |= is_disk_full_error("\n".join(texts))
            print(f"seodang: {reason}", file=sys.stderr)
            return False
        return True


def main() -> int:
    """Run all stages up to the pages; then `package`, if the verdict is `promote`.

    DVC promises no order for `package` and `report`. A model that is not promoted has its pages all the same.

    Returns:
        0, the exit code of the stage that failed, or 2 after an error of DVC.
    """
    prepare_streams()  # before DVC's loggers keep them
    interrupt_on_signals()
    paths = Paths(Path.cwd())
    try:
        with hold_process_lock(paths.locks / "run", _report_waiting):
            code = _run_stages(paths)
    except KeyboardInterrupt:  # while this process waits for another one; DVC handles it itself
        code = _INTERRUPTED
    except BrokenPipeError:  # the reader is gone, as with `| head`
        code = _PIPE_CLOSED
    if code == _PIPE_CLOSED:
        discard_output()  # what is left in the buffer would end this process with another code
    return code


def _run_stages(paths: Paths) -> int:
    progress, failures = StageProgress(), StageFailures()
    _install(progress, failures)
    code = _reproduce(["report"], failures, paths.root)
    if code == 0 and read_json(paths.verdict)["verdict"] == "promote":
        code = _reproduce([], failures, paths.root)
    progress.print_unchanged()
    return code


def _install(progress: StageProgress, failures: StageFailures) -> None:
    """Replace DVC's handlers of information; filter those of warnings and errors."""
    importlib.import_module("dvc")  # which sets up its loggers
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler for handler in logger.handlers if handler.level >= logging.WARNING]
        for handler in logger.handlers:
            handler.addFilter(failures)
        logger.addHandler(progress)


def _reproduce(targets: list[str], failures: StageFailures, root: Path) -> int:
    """Run targets; wait for other DVC processes that hold their paths, because --wait-for-lock does not."""
    import dvc.cli

    while True:
        failures.is_locked = False
        with redirect_stdout(io.StringIO()):  # DVC prints its hints there; its loggers keep the stream that they have
            code = int(dvc.cli.main(["--wait-for-lock", "repro", *targets]))
        if not failures.is_locked:
            break
        _wait_for_others(root)
    if failures.is_disk_full and code:
        return DiskFull.exit_code
    if failures.exit_code is None:
        return _EXIT_CODES.get(code, SeodangError.exit_code)
    if failures.exit_code == _PIPE_CLOSED:
        return _PIPE_CLOSED
    return _report_failure(failures.command, failures.exit_code)


def _wait_for_others(root: Path) -> None:
    """Wait until another process releases paths, and remove what dead processes hold."""
    repair_dvc_files(root)
    holders = [holder for holder in list_living_holders(root) if holder.pid != os.getpid()]
    if holders:
        _report_waiting(", ".join(f"{holder.pid} ({holder.command})" for holder in holders))
    while True:
        time.sleep(_POLL_SECONDS)
        if [holder for holder in list_living_holders(root) if holder.pid != os.getpid()] != holders or not holders:
            return


def _report_waiting(holder: str) -> None:
    text = _(
        "another run works on this project: process {holder}; this one waits for it (Ctrl-C ends it)", holder=holder
    )
    print(f"seodang: {text}", file=sys.stderr, flush=True)


def _report_failure(command: str, code: int) -> int:
    """Print which stage ended the run; return its exit code, which is 128 + N after a signal N, as of a shell."""
    if code < 0:
        code = 128 - code
    if code > 128 and code - 128 in set(signal.Signals):
        name = signal.Signals(code - 128).name
        text = _("`{command}` was ended by {signal}; finished stages are kept", command=command, signal=name)
        if name == "SIGKILL":
            text += "; " + _("if nobody killed it, the memory was too small: seodang plan")
    else:
        text = _("`{command}` ended with exit code {code}; its message is above", command=command, code=code)
    print(f"seodang: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
