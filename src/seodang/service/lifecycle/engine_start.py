"""Finish the start of engines in the event loop, before the service accepts requests."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.service.context import ServiceContext
from seodang.service.lifecycle.process_end import stop_process
from seodang.service.model.adapter_engine import AdapterEngine


@runtime_checkable
class Startable(Protocol):
    """An engine that loads a part of its models in the event loop, as vLLM its adapters."""

    async def start(self) -> None:
        """Load what is not loaded yet; a second call does nothing.

        Raises:
            SeodangError: If it cannot be loaded.
        """
        ...


async def start_engines(context: ServiceContext) -> None:
    """Start the engines of all models.

    Raises:
        SeodangError: If one cannot load its models.
    """
    engines = [each.engine for each in context.list_models()]
    shared = {id(item): item for item in (e.shared if isinstance(e, AdapterEngine) else e for e in engines)}
    for engine in shared.values():
        if isinstance(engine, Startable):
            await engine.start()


async def start_engines_or_stop(context: ServiceContext) -> None:
    """Start the engines, or end the process with one line: its supervisor learns of it by the exit code."""
    try:
        await start_engines(context)
    except SeodangError as error:
        await context.close(0)
        stop_process(_("the model cannot be loaded: {reason}", reason=" ".join(str(error).split())))
