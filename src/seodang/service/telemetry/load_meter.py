"""Report the load of the engines, by the names of their models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from seodang.inference.engine.contract import Engine, EngineLoad, EngineObserver
from seodang.service.context import ServiceContext
from seodang.service.model.adapter_engine import AdapterEngine
from seodang.service.telemetry.metered_steps import create_series
from seodang.service.telemetry.metrics import get_metrics


@runtime_checkable
class Observable(Protocol):
    """An engine that reports its load."""

    def set_observer(self, observer: EngineObserver) -> None:
        """Report load and batches to an observer from now on."""
        ...


def observe_models(context: ServiceContext) -> None:
    """Report version and load of all models of a service from now on; a second call changes nothing."""
    engines: dict[int, tuple[Engine, dict[str | None, str]]] = {}
    for each in context.list_models():
        name, engine = each.model.name, each.engine
        shared, adapter = (engine.shared, engine.adapter) if isinstance(engine, AdapterEngine) else (engine, None)
        engines.setdefault(id(shared), (shared, {}))[1][adapter] = name
        create_series(name)
        parent = (each.model.parent or "").partition(":")[0]
        get_metrics().model_info.labels(name, each.version, parent).set(1)
    for shared, names in engines.values():
        if isinstance(shared, Observable):
            shared.set_observer(LoadMeter(names))


class LoadMeter:
    """Reports load and batches of one engine; see contract.EngineObserver."""

    def __init__(self, names: Mapping[str | None, str]) -> None:
        """Register the models of an engine.

        Args:
            names: Name of the model of each adapter.
        """
        metrics = get_metrics()
        self._running = {adapter: metrics.running.labels(name) for adapter, name in names.items()}
        self._waiting = {adapter: metrics.waiting.labels(name) for adapter, name in names.items()}
        self._batches = {adapter: metrics.batch_requests.labels(name) for adapter, name in names.items()}
        self._cache_usage = metrics.cache_usage.labels(next(iter(names.values())))
        self._stall_seconds = metrics.stall_seconds.labels(next(iter(names.values())))

    def observe_load(self, load: EngineLoad) -> None:
        """Report the number of requests."""
        for adapter, running in self._running.items():
            running.set(load.running.get(adapter, 0))
            self._waiting[adapter].set(load.waiting.get(adapter, 0))
        self._cache_usage.set(load.cache_usage)

    def observe_batch(self, adapter: str | None, rows: int) -> None:
        """Report the number of requests of one step."""
        if adapter in self._batches:
            self._batches[adapter].observe(rows)

    def observe_stall(self, seconds: float) -> None:
        """Report the time since the last progress."""
        self._stall_seconds.set(seconds)
