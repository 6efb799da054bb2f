"""Let SIGUSR1 end the engine's thread of this process, and SIGUSR2 hold its next step forever.

A test starts a service with this folder in PYTHONPATH.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from typing import Any


def _kill_engine(_number: int, _frame: Any) -> None:
    for thread in threading.enumerate():
        if thread.name == "seodang-engine":
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def _hold_engine(_number: int, _frame: Any) -> None:
    from torch.nn import Embedding

    never = threading.Event()
    Embedding.forward = lambda _self, _ids: never.wait()  # type: ignore[assignment, method-assign]


signal.signal(signal.SIGUSR1, _kill_engine)
signal.signal(signal.SIGUSR2, _hold_engine)
