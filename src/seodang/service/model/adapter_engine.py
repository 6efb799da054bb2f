"""One model of an engine that computes several: its adapter and its end tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace

from seodang.inference.engine.contract import Engine, EngineStatus, EngineStopped, TokenRequest, TokenStep


class AdapterEngine:
    """An engine whose requests all use one adapter, whatever route they come from."""

    def __init__(self, engine: Engine, adapter: str | None, stop_ids: Collection[int]) -> None:
        """Use a part of an engine.

        Args:
            engine: Computes all adapters of one base.
            adapter: Name in the engine; None: the base.
            stop_ids: Tokens that end an answer.
        """
        self.context_length = engine.context_length
        self.shared = engine
        """The engine that computes the requests of all adapters."""
        self.adapter = adapter
        """Its name in the shared engine; None: the base."""
        self._stop_ids = frozenset(stop_ids)

    def submit(self, request: TokenRequest) -> AsyncIterator[TokenStep]:
        """Return the steps of the answer; see contract.Engine.submit().

        Raises:
            QueueFull: If running and waiting requests of all adapters reach the bound, or the engine is closed.
            EngineStopped: If the engine has ended by itself.
        """
        stop_ids = request.options.stop_ids or self._stop_ids
        options = replace(request.options, stop_ids=stop_ids)
        return self.shared.submit(replace(request, adapter=self.adapter, options=options))

    def get_failure(self) -> EngineStopped | None:
        """Return why the shared engine has ended by itself; see contract.Engine.get_failure()."""
        return self.shared.get_failure()

    def get_status(self) -> EngineStatus:
        """Return the present load of all adapters."""
        return self.shared.get_status()

    async def close(self, timeout: float) -> None:
        """Finish the requests of all adapters within `timeout` seconds, and stop."""
        await self.shared.close(timeout)
