"""Record what a served bento opens. The test copies it into the bento's environment as sitecustomize.py.

It writes a line when it starts, and one for each file of the checkout, each file written outside the writable folder,
and each host outside of this machine. That is what a moved bento must not use.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_LOG = os.environ["MOVED_BENTO_LOG"]
_CHECKOUT = os.environ["MOVED_BENTO_CHECKOUT"]
_WRITABLE = os.environ["MOVED_BENTO_WRITABLE"]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# Events that change the file system, and the position of the changed path. The last argument is a folder's descriptor:
# shutil.rmtree names files relative to it.
_CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1, "os.symlink": 1}
_descriptor = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _record(line: str) -> None:
    os.write(_descriptor, f"{line}\n".encode())


def _watch_file(path: str, is_written: bool) -> None:
    path = os.path.abspath(path)  # noqa: PTH100 - pathlib would raise events itself
    if path.startswith(_CHECKOUT):
        _record(f"opened {path}")
    if is_written and not path.startswith((_WRITABLE, "/dev/", "/proc/")):
        _record(f"wrote {path}")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        _watch_file(arguments[0], bool(arguments[2] & _WRITES))
    elif event in _CHANGES and arguments[-1] == -1:
        _watch_file(os.fsdecode(arguments[_CHANGES[event]]), True)
    elif event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in _LOOPBACK:
        _record(f"connected to {arguments[1][0]}")
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, *_LOOPBACK):
        _record(f"looked up {arguments[0]}")


_record(f"watching {os.getpid()}")
sys.addaudithook(_watch)
