"""Report the load of engines that call no observer, such as vLLM, at the beginning and end of each answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from seodang.inference.engine.contract import Engine
from seodang.service.adapter_engine import AdapterEngine
from seodang.service.load_meter import Observable
from seodang.service.metrics import get_metrics


@contextmanager
def track_status(engine: Engine, name: str) -> Iterator[None]:
    """Count an answer as running or waiting.

    Args:
        engine: Computes the answer; nothing is done if it calls an observer.
        name: Of the model.
    """
    if _calls_observer(type(engine)):
        yield
        return
    meter = _get_meter(name)
    meter.change(engine, 1)
    try:
        yield
    finally:
        meter.change(engine, -1)


class _StatusMeter:
    def __init__(self, name: str) -> None:
        self._running = get_metrics().running.labels(name)
        self._waiting = get_metrics().waiting.labels(name)
        self._open = 0

    def change(self, engine: Engine, difference: int) -> None:
        self._open += difference
        waiting = min(engine.get_status().waiting, self._open)
        self._waiting.set(waiting)
        self._running.set(self._open - waiting)


@cache  # one for each served model
def _get_meter(name: str) -> _StatusMeter:
    return _StatusMeter(name)


@cache  # one for each kind of engine
def _calls_observer(kind: type[Any]) -> bool:
    return issubclass(kind, (AdapterEngine, Observable))
