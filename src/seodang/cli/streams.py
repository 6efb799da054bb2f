"""Output that never decides how a command ends: closed, full or unable to write Korean."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any, Final, TextIO

_KOREAN: Final = "한국어"


class OutputStream(io.FileIO):
    """A descriptor whose write errors are kept instead of raised, so that a finished run keeps its exit code.

    A closed pipe is still an error of stdout: nobody reads on, as with `| head`.
    """

    error: OSError | None = None

    def __init__(self, descriptor: int, *, raises_closed_pipe: bool) -> None:
        """Write to an open descriptor, which stays open."""
        super().__init__(descriptor, "wb", closefd=False)
        self._raises_closed_pipe = raises_closed_pipe

    def write(self, data: Any, /) -> int:
        """Write all bytes, or keep the error."""
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view):
            try:
                written += super().write(view[written:]) or 0
            except OSError as error:
                if error.errno == errno.EPIPE and self._raises_closed_pipe:
                    raise
                self.error = self.error or error
                break
        return len(view)


def restart_in_utf8_mode() -> None:
    """Run this command again where Python does not take file names for UTF-8, as in a EUC-KR locale.

    Linux has UTF-8 names whatever the locale is. Python would read each Korean name as broken text, which neither DVC
    nor a report can hold. The output keeps its encoding.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() == "utf-8":
        return
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    variables = {"PYTHONUTF8": "1", "PYTHONIOENCODING": os.environ.get("PYTHONIOENCODING", encoding)}
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **variables})


def prepare_streams() -> None:
    """Replace stdout and stderr of this process by streams that accept every character and survive a full disk."""
    _open_closed_descriptors()
    sys.stdout = _replace(sys.stdout, sys.__stdout__, 1)
    sys.stderr = _replace(sys.stderr, sys.__stderr__, 2)
    if not can_write_korean(sys.stdout):
        os.environ["SEODANG_LANG"] = "en"


def can_write_korean(stream: TextIO) -> bool:
    """Return whether a stream's encoding has Hangul."""
    try:
        _KOREAN.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def get_output_error() -> OSError | None:
    """Return the error at which stdout stopped; None if everything was written."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    return raw.error if isinstance(raw, OutputStream) else None


def is_output_closed() -> bool:
    """Return whether the reader of stdout is gone; a pipe of ours to another process may be the broken one."""
    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _descriptor, event in poll.poll(0))


def discard_output() -> None:
    """Discard what is left in stdout's buffer, so that the interpreter does not fail at its exit."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.close(descriptor)


def _open_closed_descriptors() -> None:
    """Point closed standard descriptors (`>&-`) to /dev/null: the next file that is opened would take their number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)


def _replace(stream: TextIO | None, original: TextIO | None, descriptor: int) -> TextIO:
    """Return the stream that replaces a standard stream; one that a caller has redirected stays."""
    if stream is not None and stream is not original:
        return stream
    raw = OutputStream(descriptor, raises_closed_pipe=descriptor == 1)
    unbuffered = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=bool(getattr(stream, "line_buffering", False)),
        write_through=unbuffered,
    )
