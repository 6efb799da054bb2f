"""One model in memory at a time: a GPU that holds one of 8B need not hold two."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from seodang.models.adapters import is_full_model, load_adapter
from seodang.models.loading import load_model


class ModelSlot:
    """Loads models one after the other; each leaves the memory before the next one comes."""

    def __init__(self, precision: str, device: str) -> None:
        self._precision, self._device = precision, device
        self._model: Any = None
        self._key: tuple[Path, Path | None] | None = None

    def load(self, weights: Path, adapter: Path | None = None) -> Any:
        """Return a model, with an adapter where one is named, which then goes onto the base that is there.

        Raises:
            ModelError: If it cannot be loaded.
            ArtefactError: If there is no adapter.
        """
        if adapter is not None and self._key == (weights, None):
            self._model = load_adapter(self._model, adapter)
        elif self._key != (weights, adapter):
            self._model = self._key = None
            gc.collect()  # code of a model's own may refer to itself in a circle
            model = load_model(weights, self._precision, self._device)
            self._model = model if adapter is None else load_adapter(model, adapter)
        self._key = (weights, adapter)
        return self._model

    def load_tuned(self, base: Path, adapter: Path) -> Any:
        """Return what training made: an adapter over its base, or a whole model. Raises as `of`."""
        return self.load(adapter) if is_full_model(adapter) else self.load(base, adapter)
