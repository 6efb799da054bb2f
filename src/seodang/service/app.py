"""Package and run the application with BentoML: the store of its model, start, and stop.

A bento refers to its model by the alias `tuned` (bentofile.yaml). The build replaces
the alias by the exact tag, so a built bento always serves the same weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from starlette.types import ASGIApp, Receive, Scope, Send

from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.file_digests import share_digests
from seodang.io.library_warnings import filter_library_warnings
from seodang.packaging.bento import MODEL_CARD
from seodang.packaging.packaged_folder import prepare_alias
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.rate_limits import RateLimits
from seodang.service.lifecycle.draining import read_drain_seconds
from seodang.service.lifecycle.health import answer_probe, check_engine, check_readiness
from seodang.service.pages.index_page import render_index_page
from seodang.service.telemetry.tracing import load_exporters

ALIAS = "tuned"
_TIMEOUT: Final = 600  # seconds; 256 tokens of a 270M model take two minutes on a slow machine


class MountedApp:
    """Passes requests on to the application, which exists once the model is loaded.

    BentoML takes any request that none of its own routes answers to it, so that unknown routes are ours, too.
    """

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; BentoML accepts none before the model is loaded."""
        assert self.app is not None
        await self.app(scope, receive, send)


_mounted_app = MountedApp()


@bentoml.service(
    name="seodang",
    traffic={"timeout": _TIMEOUT},
    logging={"access": {"enabled": False}},  # it logs paths as they come; the application has a log of its own
    envs=[{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}],
)
@bentoml.asgi_app(_mounted_app, path="/")
class Seodang:
    """Answers instructions with the packaged model, and returns its lineage."""

    def __init__(self) -> None:
        """Load the model, once in each worker, before it accepts requests."""
        from seodang.service.telemetry.json_log import set_up_json_log

        set_up_json_log()
        filter_library_warnings()  # before the imports of libraries that log while they are imported
        from seodang.service.lifecycle.process_end import stop_process
        from seodang.service.lifecycle.server_control import end_with_parent, take_over_server

        end_with_parent()
        try:
            self._load()
        except Exception as error:  # nobody could serve; the supervisor learns of it by the exit code
            reason = str(error) if isinstance(error, SeodangError) else f"{type(error).__name__}: {error}"
            stop_process(_("the model cannot be loaded: {reason}", reason=" ".join(reason.split())))
        take_over_server(self._context)
        set_up_json_log()  # the libraries that the model needs have loggers by now

    def _load(self) -> None:
        from seodang.service.model.loading import load_context
        from seodang.service.web_app import create_app

        stored = _get_stored_model()
        folder, bento = Path(stored.path), _get_bento_tag()
        self._context = load_context(folder, str(stored.tag), bento)
        card = folder / MODEL_CARD
        page = render_index_page(
            self._context.model.tag,
            bento,
            self._context.model.manifest.lineage,
            card.read_text("utf-8") if card.exists() else None,
        )
        _mounted_app.app = create_app(self._context, page)

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check_start() -> None:
        """Stop `bentoml serve` with one line if a model or a setting has an error, or if the worker fails later."""
        from seodang.service.telemetry.json_log import set_up_json_log

        set_up_json_log()
        filter_library_warnings()  # before the imports of libraries that log while they are imported
        from seodang.service.lifecycle.server_control import end_with_worker
        from seodang.service.model.engine_choice import choose_engine
        from seodang.service.model.loading import check_packaged_model
        from seodang.service.model.model_sources import read_model_sources

        end_with_worker()
        stored = _get_stored_model()
        try:
            ApiKeys()
            read_drain_seconds()
            RateLimits()
            load_exporters()
            sources = read_model_sources()
            if sources.base is not None:
                from seodang.service.model.extra_models import check_models  # imports peft

                check_models(sources, stored.tag.name)
            choose_engine()
            check_packaged_model(Path(stored.path), stored.tag.version)
            share_digests()
        except SeodangError as error:
            raise BentoMLException(str(error)) from error

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Start the engines, before BentoML accepts requests."""
        from seodang.service.lifecycle.engine_start import start_engines_or_stop

        await start_engines_or_stop(self._context)

    async def __is_alive__(self) -> bool:
        """Return True, or raise an error if an engine has ended; BentoML asks for /livez.

        Raises:
            HTTPException: With the status 503 and the reason.
        """
        return answer_probe(check_engine, self._context)

    async def __is_ready__(self) -> bool:
        """Return True, or raise an error if requests are refused; BentoML asks for /readyz.

        Raises:
            HTTPException: With the status 503 and the reason.
        """
        return answer_probe(check_readiness, self._context)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop the engines; the drain of the server has finished what ran."""
        self._context.is_stopping = True
        await self._context.close(0)


def _get_bento_tag() -> str | None:
    """Return the tag of the served bento; None where BentoML serves a folder."""
    context = bentoml.server_context
    built = context.bento_version != "not available"
    return f"{context.bento_name}:{context.bento_version}" if built else None


def _get_stored_model() -> bentoml.Model:
    try:
        return bentoml.models.get(ALIAS)
    except NotFound as error:
        raise BentoMLException(
            _(
                "there is no model with the alias {alias!r}; serve a built bento (bentoml serve NAME:VERSION, see"
                " artifacts/package/report.json) or the project's folder (bentoml serve .): {error}",
                alias=ALIAS,
                error=error,
            )
        ) from error


try:
    # BentoML resolves the alias right after it has imported this module, and it has no other hook.
    prepare_alias(ALIAS, Path.cwd())
except SeodangError as error:
    raise BentoMLException(str(error)) from error
