"""Activate the adapter of the requests that the next forward pass computes."""

from __future__ import annotations

from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _


class AdapterSelection:
    """Adapters of one model; None is the model without an adapter."""

    def __init__(self, model: PreTrainedModel | PeftModel) -> None:
        self._model: Any = model if isinstance(model, PeftModel) else None
        self._selected: str | None = None
        if self._model is not None:
            self._model.base_model.disable_adapter_layers()

    def check(self, adapter: str | None) -> None:
        """Raise an error if the model has no such adapter.

        Raises:
            ModelError: With the names of its adapters.
        """
        names = [] if self._model is None else sorted(self._model.peft_config)
        if adapter is not None and adapter not in names:
            raise ModelError(
                _("the model has no adapter {name!r}; it has: {names}", name=adapter, names=", ".join(names) or "-")
            )

    def select(self, adapter: str | None) -> None:
        """Activate an adapter."""
        if adapter == self._selected:
            return
        if adapter is None:
            self._model.base_model.disable_adapter_layers()
        else:
            self._model.base_model.enable_adapter_layers()
            self._model.set_adapter(adapter)
        self._selected = adapter
