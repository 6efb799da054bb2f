"""Time of a run: its arithmetic over the speed of this machine, which a probe of a second or two measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seodang.training.planning.activations import Trace

_PROBE_SECONDS = 0.6
_OPERATION_SECONDS = {"cpu": 2.0e-5, "cuda": 8e-6, "mps": 2e-5}  # to start one operation, from Python down


@dataclass(frozen=True, slots=True)
class Speed:
    """What a device does in a second; on a CPU in a second of one core's time, so that other work on the machine counts little."""

    flops: float  # of matrix products of the model's sizes
    bytes: float  # read and written by an operation that is no product
    threads: int  # cores that share the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long training takes."""

    seconds: float  # with the machine to itself
    cpu_seconds: float | None  # on a CPU
    flops: float


def benchmark_speed(device: str, dtype: torch.dtype, *, tokens: int, size: int, inner: int) -> Speed:
    """Return the speed of matrix products (tokens, size) @ (size, inner) and of adding such a result up."""
    with torch.no_grad():
        left, right = (
            torch.ones(tokens, size, dtype=dtype, device=device),
            torch.ones(inner, size, dtype=dtype, device=device),
        )
        wide = torch.ones(tokens, inner, dtype=dtype, device=device)
        matmul_rate = _compute_rate(lambda: torch.nn.functional.linear(left, right), device)
        addition_rate = _compute_rate(lambda: wide + wide, device)
    return Speed(
        flops=2.0 * tokens * size * inner * matmul_rate,
        bytes=3.0 * wide.numel() * wide.element_size() * addition_rate,
        threads=torch.get_num_threads() if device == "cpu" else 1,
    )


def _compute_rate(function: Callable[[], object], device: str) -> float:
    """Return how often something can be done in a second of the clock, on a CPU in a second of computing time."""
    for _ in range(3):
        function()
    _synchronize(device)
    start, deadline = _read_clock(device), time.perf_counter() + _PROBE_SECONDS
    count = 0
    while time.perf_counter() < deadline:
        for _ in range(4):
            function()
        _synchronize(device)
        count += 4
    return count / max(1e-9, _read_clock(device) - start)


def _read_clock(device: str) -> float:
    return time.process_time() if device == "cpu" else time.perf_counter()


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def estimate_duration(
    trace: Trace,
    micro_batch_tokens: int,
    speed: Speed,
    device: str,
    *,
    micro_batches: int,
    tokens: int,
    validation_tokens: int,
    processes: int,
) -> Duration:
    """Return how long a run takes.

    Args:
        trace: Of a pass of `pass_tokens` tokens.
        pass_tokens: As above.
        speed: Of the device.
        device: "cpu", "mps" or "cuda".
        passes: Of the run, over all processes.
        tokens: That pass through the model for learning.
        checked_tokens: That pass through it for validation, forward only.
        processes: That share the work, each on a device of its own; on a CPU they share its cores.
    """
    equivalent_micro_batches = (tokens + validation_tokens * trace.forward_flops / trace.flops) / micro_batch_tokens
    work = (
        equivalent_micro_batches * trace.flops / speed.flops
        + equivalent_micro_batches * trace.moved_bytes / speed.bytes
    )
    overhead = micro_batches * trace.operations * _OPERATION_SECONDS[device]
    if device == "cpu":
        return Duration(
            seconds=work / speed.threads + overhead,
            cpu_seconds=work + overhead,
            flops=equivalent_micro_batches * trace.flops,
        )
    return Duration(
        seconds=(work + overhead) / processes, cpu_seconds=None, flops=equivalent_micro_batches * trace.flops
    )
