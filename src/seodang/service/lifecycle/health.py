"""Whether the engines still compute."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.exceptions import HTTPException

from seodang.inference.engine.contract import EngineStopped
from seodang.service.context import ServiceContext
from seodang.service.http.api_error import ApiError, build_closing_error, build_stopped_error


def find_failure(context: ServiceContext) -> EngineStopped | None:
    """Return why an engine of the models has ended by itself; None if all of them compute."""
    return next((failure for each in context.list_models() if (failure := each.engine.get_failure())), None)


def check_engine(context: ServiceContext) -> None:
    """Raise an error if an engine has ended: no request of its models would ever be answered.

    Raises:
        ApiError: With the status 503.
    """
    failure = find_failure(context)
    if failure is not None:
        raise build_stopped_error(failure)


def check_readiness(context: ServiceContext) -> None:
    """Raise an error if requests are refused: the service stops, or an engine has ended.

    Raises:
        ApiError: With the status 503.
    """
    check_engine(context)
    if context.is_stopping:
        raise build_closing_error()


def answer_probe(check: Callable[[ServiceContext], None], context: ServiceContext) -> bool:
    """Return True as BentoML's probes want it, or raise its error.

    Args:
        check: check_engine or check_readiness.
        context: Of the service.

    Raises:
        HTTPException: With the status 503 and the reason.
    """
    try:
        check(context)
    except ApiError as error:
        raise build_probe_error(error) from error
    return True


def build_probe_error(error: ApiError) -> HTTPException:
    """Return an error that BentoML, which answers probes itself, sends in the shape of all other errors."""
    response = error.build_response()
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return HTTPException(error.status, json.dumps(error.content, ensure_ascii=False), headers)
