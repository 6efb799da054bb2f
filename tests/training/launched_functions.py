"""Functions that processes launched by test_distributed.py run; few imports, so that they start soon."""

import atexit
import logging
import os
import time
import warnings
from pathlib import Path

from seodang.errors import ParamsError
from seodang.training.distributed import broadcast_from_main, is_main_process
from seodang.training.launching import launch

__all__ = [
    "Path",
    "fail_in_rank_1",
    "kill_rank_1",
    "launch",
    "sleep",
    "work_and_abort_at_exit",
]


def write_pid(folder):
    (folder / f"{os.getpid()}.pid").touch()


def fail_in_rank_1(folder):
    write_pid(folder)
    if is_main_process():
        time.sleep(120)
    raise ParamsError("process 1 failed")


def kill_rank_1(folder, number):
    write_pid(folder)
    if is_main_process():
        time.sleep(120)
    os.kill(os.getpid(), number)


def work_and_abort_at_exit(folder):
    """Do the work of both processes; the main process aborts at exit, the other one finishes later."""
    (folder / f"value-{os.getpid()}").write_text(str(broadcast_from_main(os.getpid)))
    (folder / f"warnings-{os.getpid()}").write_text(collect_warnings())
    if is_main_process():
        atexit.register(os.abort)
    else:
        time.sleep(2)
    (folder / f"finished-{os.getpid()}").touch()


def collect_warnings():
    """Return the warnings that a user would see, and the log level of bitsandbytes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn_explicit(
            "is_gradient_checkpointing is deprecated", FutureWarning, "m.py", 1, "transformers.modeling_utils"
        )
        warnings.warn_explicit("of the user", UserWarning, "m.py", 1, "mine")
    level = logging.getLogger("bitsandbytes.backends.cpu.ops").getEffectiveLevel()
    return f"{[str(entry.message) for entry in caught]} {level}"


def sleep(folder):
    write_pid(folder)
    time.sleep(120)
