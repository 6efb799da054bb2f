"""Let the signal SIGUSR1 end the engine's thread of this process, as a failure of Python or a library would.

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


signal.signal(signal.SIGUSR1, _kill_engine)
