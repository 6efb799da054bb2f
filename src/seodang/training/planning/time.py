"""Duration of a run: its operations divided by the speed of the device, which a benchmark of two seconds measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from seodang.training.planning.activations import Trace

_PROBE_SECONDS = 0.6
_OPERATION_SECONDS = {"cpu": 2.0e-5, "cuda": 8e-6, "mps": 2e-5}  # overhead of starting one operation from Python


@dataclass(frozen=True, slots=True)
class Speed:
    """Operations per second of a device; on a CPU per second of CPU time, which other programs affect little."""

    flops: float  # of matrix products with the model's sizes
    bytes: float  # read and written by other operations
    threads: int  # that share the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """Duration and arithmetic of training."""

    seconds: float  # on an otherwise idle machine
    cpu_seconds: float | None  # None except on a CPU
    flops: float


def benchmark_speed(device: str, dtype: torch.dtype, *, tokens: int, size: int, inner: int) -> Speed:
    """Return the speed of matrix products (tokens, size) @ (size, inner) and of additions of their results."""
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
    """Return the calls per second; on a CPU per second of CPU time."""
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
    """Return the duration of a run.

    Args:
        trace: Trace of a micro-batch.
        micro_batch_tokens: Tokens of that micro-batch.
        speed: Speed of the device.
        device: "cpu", "mps" or "cuda".
        micro_batches: Micro-batches of the run, over all processes.
        tokens: Tokens that pass through the model in training.
        validation_tokens: Tokens that pass through it in evaluations, forward only.
        processes: Number of processes, each with its own device; on a CPU they share the cores.
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
