"""Several processes that train together: this module starts them on one machine, torchrun and others on several.

Each process holds one device. The main process (rank 0) reads, writes and logs while the others wait:
see `broadcast_from_main` and `is_main_process`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from seodang.config import TrainParams
from seodang.errors import TrainingError
from seodang.i18n import _, ngettext

_Value = TypeVar("_Value")

_TIMEOUT = timedelta(hours=2)  # of a collective operation: the others wait while rank 0 tokenizes millions of records


def is_launched() -> bool:
    """Return whether a launcher started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def check_processes(train: TrainParams, device: str) -> None:
    """Raise an error if there are more processes than devices or records.

    Args:
        train: The processes of this machine, and the records of an optimizer step.
        device: "cpu", "cuda" or "mps".

    Raises:
        TrainingError: With both numbers.
    """
    processes = train.processes
    devices = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, processes)
    if processes > devices:
        raise TrainingError(
            ngettext(
                "train.processes is {processes}, but this machine has {count} {device} device;"
                " set it to {count}, or set train.device to cpu",
                "train.processes is {processes}, but this machine has {count} {device} devices;"
                " set it to {count} or less, or set train.device to cpu",
                devices,
                processes=processes,
                device=device,
            )
        )
    if not is_launched():
        return
    local_world_size, world_size = int(os.environ.get("LOCAL_WORLD_SIZE", processes)), int(os.environ["WORLD_SIZE"])
    if local_world_size != processes:
        raise TrainingError(
            ngettext(
                "train.processes is {processes}, but the launcher started {count} process on this machine;"
                " give it the same number (torchrun --nproc-per-node {processes})",
                "train.processes is {processes}, but the launcher started {count} processes on this machine;"
                " give it the same number (torchrun --nproc-per-node {processes})",
                local_world_size,
                processes=processes,
            )
        )
    if train.batch_size < world_size:
        raise TrainingError(
            _(
                "train.batch_size {batch_size} is less than the {processes} processes of all machines;"
                " raise it, so that each process has a record",
                batch_size=train.batch_size,
                processes=world_size,
            )
        )


@contextmanager
def join_process_group(device: str, init_method: str = "env://") -> Iterator[None]:
    """Join the other processes and leave them at the end; a single process does nothing.

    Args:
        device: "cpu" (gloo) or "cuda" (NCCL, and gloo for tensors in main memory).
        init_method: Where the processes find each other, as torch's init_process_group takes it.
    """
    if not is_launched():
        yield
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        torch.cuda.set_device(local_rank)
    elif "OMP_NUM_THREADS" not in os.environ:  # the processes share the cores
        threads = max(1, torch.get_num_threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
        init_method=init_method,
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_TIMEOUT,
    )
    if not is_main_process():
        logging.getLogger("seodang").setLevel(logging.ERROR)  # only the main process logs progress
    try:
        yield
    finally:
        distributed.destroy_process_group()


def get_local_device(device: str) -> str:
    """Return the device of this process, such as "cuda:1"."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and is_launched() else device


def get_world_size() -> int:
    """Return the number of processes that train together, over all machines."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def get_rank() -> int:
    """Return the rank of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main_process() -> bool:
    """Return whether this process is the one that writes and logs."""
    return get_rank() == 0


def broadcast_from_main(function: Callable[[], _Value]) -> _Value:
    """Call a function in the main process and return its value in all processes; the others wait.

    Args:
        function: Its value must be picklable.
    """
    if get_world_size() == 1:
        return function()
    values = [function() if is_main_process() else None]
    distributed.broadcast_object_list(values, src=0, device=torch.device("cpu"))
    return values[0]  # type: ignore[return-value]
