"""What processes do in tests of their beginning and end; little is imported, so that they begin soon."""

import os
import signal
import time
from pathlib import Path

from seodang.errors import ParamsError
from seodang.training.distributed import broadcast_from_main, is_main_process, launch

__all__ = ["Path", "die_in_the_second", "fail_in_the_second", "launch", "wait", "write_what_the_first_finds"]


def note(folder):
    (folder / f"{os.getpid()}.pid").touch()


def fail_in_the_second(folder):
    note(folder)
    if is_main_process():
        time.sleep(120)
    raise ParamsError("process 1 has a fault")


def die_in_the_second(folder):
    note(folder)
    if is_main_process():
        time.sleep(120)
    os.kill(os.getpid(), signal.SIGKILL)


def wait(folder):
    note(folder)
    time.sleep(120)


def write_what_the_first_finds(folder):
    (folder / f"found-{os.getpid()}").write_text(str(broadcast_from_main(os.getpid)))
