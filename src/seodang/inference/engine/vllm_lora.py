"""Load LoRA adapters in vLLM, and name them in requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seodang.errors import ModelError
from seodang.i18n import _


class LoraAdapters:
    """The adapters of one vLLM. All of them stay in its memory, so files that change later change no answer."""

    def __init__(self, engine: Any, folders: Mapping[str, Path]) -> None:
        """Remember adapters.

        Args:
            engine: vllm.v1.engine.async_llm.AsyncLLM.
            folders: Of the adapters by name.
        """
        self._engine = engine
        self._folders = dict(folders)
        self._loading: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Load all adapters, in the event loop of the requests; a second call does nothing.

        Raises:
            ModelError: If vLLM cannot load one, such as one for layers that it does not support.
        """
        if not self._folders:
            return
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load_all())
        await asyncio.shield(self._loading)

    async def _load_all(self) -> None:
        for name, folder in self._folders.items():
            try:
                await self._engine.add_lora(self.build_request(name))
            except Exception as error:  # of several classes
                raise ModelError(
                    _("vLLM cannot load the adapter in {folder}: {error}", folder=folder, error=error)
                ) from error

    def build_request(self, adapter: str | None) -> Any:
        """Return vLLM's name of an adapter; None for the base.

        vLLM's prefix cache takes name and folder into its keys, so adapters share no states.

        Raises:
            ModelError: If there is no such adapter.
        """
        if adapter is None:
            return None
        if adapter not in self._folders:
            names = ", ".join(sorted(self._folders)) or "-"
            raise ModelError(_("the model has no adapter {name!r}; it has: {names}", name=adapter, names=names))
        from vllm.lora.request import LoRARequest

        return LoRARequest(adapter, list(self._folders).index(adapter) + 1, str(self._folders[adapter]))
