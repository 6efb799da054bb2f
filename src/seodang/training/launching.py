"""Start several training processes on this machine, wait for them, and report why one failed."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, start_processes

from seodang.errors import SeodangError, TrainingError, TrainingKilled
from seodang.i18n import _
from seodang.io.library_warnings import filter_library_warnings
from seodang.training.distributed import join_process_group

_GRACE_SECONDS = 4.0  # that processes have to end by themselves
_SIGTERM_EXIT_CODE = 143


def launch(function: Callable[..., None], arguments: Sequence[Any], *, processes: int, device: str) -> None:
    """Run `function(*arguments)` in several processes and wait for them; when one fails, all of them end.

    A process that has finished the function counts as successful, whatever its exit code: libraries
    may abort a process while it exits.

    Args:
        function: A function of a module, which each process imports.
        arguments: Picklable values.
        processes: At least 2.
        device: "cpu" or "cuda"; the process of rank n takes the n-th device.

    Raises:
        SeodangError: The error that a process raised.
        TrainingKilled: If a signal ended a process.
        TrainingError: If a process ended for another reason.
    """
    with tempfile.TemporaryDirectory(prefix="seodang-") as scratch:
        folder = Path(scratch)
        workers = start_processes(
            _run_worker,
            (folder, processes, device, logging.getLogger("seodang").level, function, tuple(arguments)),
            nprocs=processes,
            join=False,
        )
        try:
            _wait_for_workers(workers, folder)
        except ProcessExitedException as error:
            raise _build_exit_error(folder, error, processes) from error
        except Exception as error:
            if (worker_error := _load_worker_error(folder)) is not None:  # the other processes fail after it
                raise worker_error from error
            raise
        finally:
            _terminate_workers(workers)


def _wait_for_workers(workers: ProcessContext, folder: Path) -> None:
    """Wait until all workers have ended; raise torch's error as soon as one ends before it finished its work."""
    while workers.sentinels:
        ended = wait(list(workers.sentinels))
        done = [sentinel for sentinel in ended if _get_done_marker(folder, workers.sentinels[sentinel]).exists()]
        for sentinel in done:
            del workers.sentinels[sentinel]  # else torch would take an exit code other than 0 for a failure
        if len(done) < len(ended):
            workers.join(timeout=0, grace_period=_GRACE_SECONDS)


def _get_done_marker(folder: Path, rank: int) -> Path:
    return folder / f"done-{rank}"


def _build_exit_error(folder: Path, error: ProcessExitedException, processes: int) -> SeodangError:
    if (worker_error := _load_worker_error(folder)) is not None:
        return worker_error
    number = error.error_index + 1
    if error.signal_name == signal.SIGKILL.name:
        return TrainingKilled(
            _(
                "process {number} of {processes} was killed (SIGKILL), most often for lack of memory: lower"
                " train.tokens_per_micro_batch or train.processes, or shard the weights (train.sharding fsdp),"
                " and run again: training resumes from its last checkpoint",
                number=number,
                processes=processes,
            )
        )
    if error.signal_name is not None:
        return TrainingKilled(
            _(
                "the signal {signal} ended process {number} of {processes} before it had finished; its output above"
                " may say why; run again: training resumes from its last checkpoint",
                signal=error.signal_name,
                number=number,
                processes=processes,
            )
        )
    return TrainingError(
        _(
            "process {number} of {processes} ended with exit code {code}; its output above says why",
            number=number,
            processes=processes,
            code=error.exit_code,
        )
    )


def _load_worker_error(folder: Path) -> SeodangError | None:
    """Return the earliest error that a process has written, if any."""
    files = sorted(folder.glob("error-*"), key=lambda file: file.stat().st_mtime_ns)
    return pickle.loads(files[0].read_bytes()) if files else None  # our file, in a folder that only this user can read


def _terminate_workers(workers: ProcessContext) -> None:
    """End the processes that are still alive when the wait for them stops."""
    alive = [process for process in workers.processes if process.is_alive()]
    for process in alive:
        process.terminate()
    for process in alive:
        process.join(_GRACE_SECONDS)
        if process.is_alive():  # it waits in a collective operation, where Python handles no signal
            process.kill()
            process.join()


def _run_worker(
    rank: int,
    folder: Path,
    world_size: int,
    device: str,
    log_level: int,
    function: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """Run the function in one of the processes of this machine."""
    _configure_worker(log_level)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
    }
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    loopback = [name for _index, name in socket.if_nameindex() if name.startswith("lo")]
    for variable in ("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME") if loopback else ():
        os.environ.setdefault(variable, loopback[0])
    try:
        with join_process_group(device, f"file://{folder / 'meeting'}"):  # a file: a port might be taken
            function(*arguments)
            _get_done_marker(folder, rank).touch()
    except SeodangError as error:
        temp_file = folder / f".error-{rank}"
        temp_file.write_bytes(pickle.dumps(error))
        temp_file.replace(folder / f"error-{rank}")
        sys.exit(error.exit_code)


def _configure_worker(log_level: int) -> None:
    """Set signals, logging and warnings as the command line does in the parent."""
    # SIGTERM unwinds the stack, so that no half-written file stays behind.
    signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(_SIGTERM_EXIT_CODE))
    # torch sends SIGINT when the parent is gone; a background job of a shell would ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log_format = os.environ.get("SEODANG_LOG_FORMAT", "%(message)s")  # flows set one with levels
    logging.basicConfig(level=logging.WARNING, format=log_format, stream=sys.stderr)
    logging.getLogger("seodang").setLevel(log_level)
    filter_library_warnings()
