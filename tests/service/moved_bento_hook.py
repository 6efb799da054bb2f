"""Record what a served bento opens. The test copies it into the bento's environment as sitecustomize.py.

It writes one line for each file and each host outside of what a moved bento may use, and a line when it starts.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_LOG = os.environ["MOVED_BENTO_LOG"]
_CHECKOUT = os.environ["MOVED_BENTO_CHECKOUT"]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_descriptor = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _record(line: str) -> None:
    os.write(_descriptor, f"{line}\n".encode())


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and os.path.abspath(arguments[0]).startswith(_CHECKOUT):  # noqa: PTH100
        _record(f"opened {arguments[0]}")
    elif event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in _LOOPBACK:
        _record(f"connected to {arguments[1][0]}")
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, *_LOOPBACK):
        _record(f"looked up {arguments[0]}")


_record(f"watching {os.getpid()}")
sys.addaudithook(_watch)
