"""Whether the engine still computes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from seodang.i18n import _
from seodang.inference.engine.contract import Engine
from seodang.service.context import ServiceContext
from seodang.service.http.api_error import ApiError
from seodang.service.model.adapter_engine import AdapterEngine


@runtime_checkable
class _Watched(Protocol):
    def is_alive(self) -> bool: ...


def is_engine_alive(context: ServiceContext) -> bool:
    """Return whether the engines of all models compute; one that cannot tell counts as alive."""
    return all(_is_alive(each.engine) for each in context.list_models())


def _is_alive(engine: Engine) -> bool:
    engine = engine.shared if isinstance(engine, AdapterEngine) else engine
    return engine.is_alive() if isinstance(engine, _Watched) else True


def check_engine(context: ServiceContext) -> None:
    """Raise an error if the engine has ended: no request would ever be answered.

    Raises:
        ApiError: With the status 503.
    """
    if not is_engine_alive(context):
        raise ApiError(503, _("the engine has stopped; restart the service"), code="engine_stopped")
