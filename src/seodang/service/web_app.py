"""The ASGI application: it runs under uvicorn alone, and BentoML mounts it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seodang.i18n import _
from seodang.service.context import ServiceContext, build_rejection, get_context
from seodang.service.http.api_error import ApiError, build_unknown_route_error
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.http.rate_limits import RateLimits
from seodang.service.http.request_guard import RequestGuard, RequestLimits
from seodang.service.lifecycle.engine_start import start_engines_or_stop
from seodang.service.lifecycle.health import check_engine, check_readiness
from seodang.service.lifecycle.server_control import take_over_server
from seodang.service.model.served_model import RequestRejected
from seodang.service.pages import playground
from seodang.service.routes import models, native
from seodang.service.routes.chat import complete_chat
from seodang.service.routes.completions import complete_text
from seodang.service.routes.feedback import rate_answer
from seodang.service.routes.openapi_document import build_openapi
from seodang.service.telemetry.load_meter import observe_models
from seodang.service.telemetry.metrics import CONTENT_TYPE, format_metrics
from seodang.service.telemetry.tracing import RequestTracer, create_tracer

_Endpoint = Callable[[Request], Awaitable[Response]]
ROUTES: Final[tuple[tuple[str, str, _Endpoint], ...]] = (
    ("GET", "/", models.get_page),
    ("GET", playground.PATH, playground.get_playground),
    ("POST", "/generate", native.generate),
    ("POST", "/choose", native.choose),
    ("POST", "/batch", native.answer_batch),
    ("GET", "/lineage", models.get_lineage),
    ("GET", "/v1/models", models.list_models),
    ("GET", "/v1/models/{id:path}", models.get_model),
    ("POST", "/v1/chat/completions", complete_chat),
    ("POST", "/v1/completions", complete_text),
    ("POST", "/feedback", rate_answer),
    ("POST", "/tokenize", models.tokenize),
    ("POST", "/detokenize", models.detokenize),
    ("GET", "/tokenizer_info", models.get_tokenizer_info),
)


async def _get_openapi(request: Request) -> Response:
    return Utf8JSONResponse(build_openapi(get_context(request).model))


async def _get_liveness(request: Request) -> Response:
    check_engine(get_context(request))
    return Utf8JSONResponse({"status": "ok"})


async def _get_readiness(request: Request) -> Response:
    check_readiness(get_context(request))
    return Utf8JSONResponse({"status": "ok"})


async def _get_metrics(request: Request) -> Response:
    return Response(format_metrics(), media_type=CONTENT_TYPE)


# BentoML answers the probes and metrics itself, before its mounted application.
_SYSTEM_ROUTES: Final[tuple[tuple[str, str, _Endpoint], ...]] = (
    ("GET", "/docs.json", _get_openapi),
    ("GET", "/livez", _get_liveness),
    ("GET", "/healthz", _get_liveness),
    ("GET", "/readyz", _get_readiness),
    ("GET", "/metrics", _get_metrics),
)


def create_app(
    context: ServiceContext,
    page: str = "",
    *,
    keys: ApiKeys | None = None,
    limits: RequestLimits | None = None,
    rates: RateLimits | None = None,
    tracer: RequestTracer | None = None,
) -> Starlette:
    """Return the application.

    Args:
        context: Model and engine.
        page: HTML of the page at `/`.
        keys: Of the clients; None reads SEODANG_API_KEYS.
        limits: Of size and time; None for the usual ones.
        rates: Of the requests of each key; None reads SEODANG_REQUESTS_PER_MINUTE and SEODANG_CONCURRENT_REQUESTS.
        tracer: Of requests; None reads the variables of OpenTelemetry.

    Raises:
        SeodangError: If one of these variables has an error.
    """
    observe_models(context)
    routes = [*ROUTES, *_SYSTEM_ROUTES]
    guard = Middleware(
        RequestGuard,
        context=context,
        keys=keys or ApiKeys(),
        limits=limits or RequestLimits(),
        rates=rates or RateLimits(),
        tracer=tracer or create_tracer(),
        paths=frozenset(path for _method, path, _endpoint in routes),
    )
    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in routes],
        middleware=[guard],
        exception_handlers={
            ApiError: _answer_api_error,
            RequestRejected: _answer_rejection,
            HTTPException: _answer_http_error,
        },
        lifespan=partial(_run_app, context),
    )
    app.router.redirect_slashes = False
    app.state.context, app.state.page = context, page
    return app


@asynccontextmanager
async def _run_app(context: ServiceContext, _app: Starlette) -> AsyncGenerator[None]:
    """Start the engines and take over the server of uvicorn; BentoML does not run this, and its service does both."""
    await start_engines_or_stop(context)
    take_over_server(context)
    yield


async def _answer_api_error(_request: Request, error: Any) -> Response:
    response: Response = error.build_response()
    return response


async def _answer_rejection(_request: Request, error: Any) -> Response:
    return build_rejection(error).build_response()


async def _answer_http_error(_request: Request, error: Any) -> Response:
    """Answer an error of the framework: an unknown route or a wrong method."""
    if error.status_code == 404:
        return build_unknown_route_error().build_response()
    message = _("the route does not have this method; GET /docs.json lists them")
    code = "method_not_allowed"
    if error.status_code != 405:
        message, code = _("the request cannot be read"), "invalid_request"
    response = ApiError(error.status_code, message, code=code).build_response()
    if error.headers:
        response.headers.update(error.headers)
    return response
