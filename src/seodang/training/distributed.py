"""Several processes that train together: started here on one machine, or by a launcher such as torchrun on several.

Each process holds one device. What is done once (reading, writing, telling) is done by the first of them, while the
others wait: `from_first` and `is_first`.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, start_processes

from seodang.config import TrainParams
from seodang.errors import SeodangError, TrainingError, TrainingKilled

_Value = TypeVar("_Value")

_TIMEOUT = timedelta(hours=2)  # for the others: while the first one turns millions of records into tokens, they wait
_GRACE_SECONDS = 4.0  # seconds that processes have to end by themselves
_SIGTERM_EXIT_CODE = 143


def is_launched() -> bool:
    """Return whether a launcher has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def check_processes(train: TrainParams, device: str) -> None:
    """Refuse more processes than there are devices or records for.

    Args:
        train: The processes of this machine, and the records of an update.
        device: "cpu", "cuda" or "mps".

    Raises:
        TrainingError: With both numbers.
    """
    processes = train.processes
    devices = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, processes)
    if processes > devices:
        raise TrainingError(
            f"train.processes is {processes}, but this machine has {devices} {device} device{'s' * (devices != 1)}; set it to {devices} or less, or train.device to cpu"
        )
    if not is_launched():
        return
    local_world_size, world_size = int(os.environ.get("LOCAL_WORLD_SIZE", processes)), int(os.environ["WORLD_SIZE"])
    if local_world_size != processes:
        raise TrainingError(
            f"train.processes is {processes}, but the launcher has started {local_world_size} on this machine; give it the same number (torchrun --nproc-per-node {processes})"
        )
    if train.batch_size < world_size:
        raise TrainingError(
            f"train.batch_size {train.batch_size} is less than the {world_size} processes of all machines; raise it, so that each has a record"
        )


def launch(function: Callable[..., None], arguments: Sequence[Any], *, processes: int, device: str) -> None:
    """Run `work(*arguments)` in so many processes, and wait; when one fails, all of them end.

    Args:
        work: A function of a module, which each process imports anew.
        arguments: Values that can be pickled.
        processes: At least 2.
        device: "cpu" or "cuda"; the process number n takes the n-th.

    Raises:
        SeodangError: The one that a process ended with.
        TrainingError: If a process was killed.
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
            while not workers.join(grace_period=_GRACE_SECONDS):
                pass
        except ProcessExitedException as error:
            raise _build_exit_error(folder, error, processes) from error
        except Exception as error:
            if (worker_error := _load_worker_error(folder)) is not None:  # the others fail in turn when one is gone
                raise worker_error from error
            raise
        finally:
            _terminate_workers(workers)


def _build_exit_error(folder: Path, error: ProcessExitedException, processes: int) -> SeodangError:
    if (worker_error := _load_worker_error(folder)) is not None:
        return worker_error
    name = f"process {error.error_index + 1} of {processes}"
    if error.signal_name is not None:
        return TrainingKilled(
            f"{name} was killed ({error.signal_name}), most often for want of memory: lower train.tokens_per_micro_batch or train.processes, or shard the weights (train.sharding fsdp), "
            "and run again: training goes on from its last checkpoint"
        )
    return TrainingError(f"{name} ended with exit code {error.exit_code}; what it wrote above says why")


def _load_worker_error(folder: Path) -> SeodangError | None:
    """Return the error that a process left, the earliest one."""
    files = sorted(folder.glob("fault-*"), key=lambda file: file.stat().st_mtime_ns)
    return pickle.loads(files[0].read_bytes()) if files else None  # our own file, in a folder that nobody else may read


def _terminate_workers(workers: ProcessContext) -> None:
    """End the processes that are left when the wait for them is broken off."""
    alive = [process for process in workers.processes if process.is_alive()]
    for process in alive:
        process.terminate()
    for process in alive:
        process.join(_GRACE_SECONDS)
        if process.is_alive():  # it waits in a collective operation, where Python is not asked
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
    """Be one of the processes of this machine."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(_SIGTERM_EXIT_CODE)
    )  # unwind, so that nothing half-written stays behind
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # sent when the first process is gone; a shell's background job would ignore it
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("seodang").setLevel(log_level)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
    }
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    for variable in ("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME") if loopback else ():
        os.environ.setdefault(variable, loopback[0])
    try:
        with join_process_group(device, f"file://{folder / 'meeting'}"):  # a file, not a port that may be taken
            function(*arguments)
    except SeodangError as error:
        temp_file = folder / f".fault-{rank}"
        temp_file.write_bytes(pickle.dumps(error))
        temp_file.replace(folder / f"fault-{rank}")
        sys.exit(error.exit_code)


@contextmanager
def join_process_group(device: str, init_method: str = "env://") -> Iterator[None]:
    """Join the other processes, and leave them at the end; alone, do nothing.

    Args:
        device: "cpu" (gloo) or "cuda" (NCCL, and gloo for what lies in memory).
        meeting: Where the processes find one another, as torch's init_process_group takes it.
    """
    if not is_launched():
        yield
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        torch.cuda.set_device(local_rank)
    elif "OMP_NUM_THREADS" not in os.environ:  # each takes its share of the cores
        threads = max(1, torch.get_num_threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(
        backend,
        init_method=init_method,
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_TIMEOUT,
    )
    if not is_main_process():
        logging.getLogger("seodang").setLevel(logging.ERROR)  # one of them tells
    try:
        yield
    finally:
        distributed.destroy_process_group()


def get_local_device(device: str) -> str:
    """Return this process's own device, such as "cuda:1"."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and is_launched() else device


def get_world_size() -> int:
    """Return the number of processes that train together, over all machines."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def get_rank() -> int:
    """Return this process's number, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main_process() -> bool:
    """Return whether this process is the one that writes and tells."""
    return get_rank() == 0


def broadcast_from_main(function: Callable[[], _Value]) -> _Value:
    """Return what `find` returns in the first process; the others wait for it, and don't call it.

    Args:
        find: Returns a value that can be pickled.
    """
    if get_world_size() == 1:
        return function()
    values = [function() if is_main_process() else None]
    distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    return values[0]  # type: ignore[return-value]
