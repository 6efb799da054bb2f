"""Keep one model in memory at a time, so that a GPU with room for one 8B model is enough."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from seodang.models.adapters import is_full_model, load_adapter
from seodang.models.kernels.packed_linear import PackedLinears
from seodang.models.loading import load_model


class ModelSlot:
    """Holds one model; loading another releases it first."""

    def __init__(self, precision: str, device: str) -> None:
        self._precision, self._device = precision, device
        self._model: Any = None
        self._key: tuple[Path, Path | None] | None = None
        self._linears = PackedLinears([], is_complete=False)

    def load(self, weights: Path, adapter: Path | None = None) -> Any:
        """Return a model for scoring, with an adapter if one is named; a loaded base is reused.

        Args:
            weights: Folder of the base, or of a full model.
            adapter: Folder of the adapter; None for no adapter.

        Raises:
            ModelError: If the model or the adapter cannot be loaded.
        """
        if self._key == (weights, adapter):
            return self._model
        self._linears.restore()
        if adapter is not None and self._key == (weights, None):
            self._model = load_adapter(self._model, adapter)
        else:
            self._model = self._key = None
            gc.collect()  # a model with custom code may hold reference cycles
            model = load_model(weights, self._precision, self._device)
            self._model = model if adapter is None else load_adapter(model, adapter)
        self._linears = PackedLinears.pack(self._model)
        self._key = (weights, adapter)
        return self._model

    def load_tuned(self, base: Path, adapter: Path) -> Any:
        """Return the trained model: the base with an adapter, or a full model.

        Raises:
            ModelError: If the model or the adapter cannot be loaded.
            ArtifactError: If the folder holds neither an adapter nor a full model.
        """
        return self.load(adapter) if is_full_model(adapter) else self.load(base, adapter)
