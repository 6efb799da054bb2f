"""Serve a packaged model over HTTP: validate the request, ask the assistant, build the response.

A bento refers to its model by the alias `tuned` (bentofile.yaml). The build replaces
the alias by the exact tag, so a built bento always serves the same weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from fastapi import FastAPI
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from starlette.responses import HTMLResponse, JSONResponse

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.packaging.bento import MODEL_CARD
from seodang.prompting import PROMPT_TEMPLATES
from seodang.service.index_page import HEADERS, render_index_page

ALIAS = "tuned"
_TIMEOUT = 600  # seconds; 256 tokens of a 270M model take two minutes on a slow machine
_asgi_app = FastAPI(openapi_url=None)  # for GET routes; BentoML's own decorator supports POST only


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", _("must not be blank"))
    return text


def _check_encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("not_text", _("has a lone surrogate, which is not a character")) from error
    return text


_Text = Annotated[str, AfterValidator(_check_encodable)]


class GenerateRequest(BaseModel):
    """One instruction for the model."""

    model_config = ConfigDict(extra="forbid", strict=True, title="GenerateRequest")

    instruction: Annotated[_Text, AfterValidator(_check_not_blank)]
    input: _Text = ""
    """Text that the instruction refers to; may be empty."""
    max_new_tokens: PositiveInt | None = None
    """At most the packaged maximum, which is also the default."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0: greedy decoding, which always gives the same answer."""


class Usage(BaseModel):
    """Number of tokens in prompt and answer."""

    prompt_tokens: int
    completion_tokens: int


class GenerateResponse(BaseModel):
    """The model's answer."""

    output: str
    finish_reason: Literal["stop", "length"]
    usage: Usage
    model: str
    """Exact tag of the weights."""


@bentoml.service(
    name="seodang", traffic={"timeout": _TIMEOUT}, envs=[{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}]
)
@bentoml.asgi_app(_asgi_app, path="/")
class Seodang:
    """Answers instructions with the packaged model, and returns its lineage."""

    def __init__(self) -> None:
        """Load the model, once in each worker, before it accepts requests."""
        from seodang.service.assistant import Assistant

        stored = _get_stored_model()
        self._tag = str(stored.tag)
        self._assistant = Assistant.load(Path(stored.path))
        card = Path(stored.path) / MODEL_CARD
        self._page = render_index_page(
            self._tag,
            _get_bento_tag(),
            self._assistant.manifest.lineage,
            card.read_text("utf-8") if card.exists() else None,
        )

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check_prompt_fingerprint() -> None:
        """Stop `bentoml serve` if the prompts differ; BentoML would restart a failing worker forever."""
        from seodang.models.loading import load_tokenizer
        from seodang.packaging.model_folder import check_renderer, read_manifest

        folder = Path(_get_stored_model().path)
        try:
            manifest = read_manifest(folder)
            needs_tokenizer = PROMPT_TEMPLATES[manifest.prompt.format].needs_tokenizer
            check_renderer(manifest, load_tokenizer(folder) if needs_tokenizer else None)
        except ModelError as error:
            raise BentoMLException(str(error)) from error

    @bentoml.api  # type: ignore[untyped-decorator]
    def generate(self, request: GenerateRequest, /) -> GenerateResponse:
        """Answer one instruction."""
        from seodang.service.assistant import RequestRejected

        try:
            answer = self._assistant.answer(
                request.instruction, request.input, request.max_new_tokens, request.temperature
            )
        except RequestRejected as error:
            raise _build_validation_error(error.field, error.message) from error
        usage = Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens)
        return GenerateResponse(output=answer.output, finish_reason=answer.finish_reason, usage=usage, model=self._tag)

    @_asgi_app.get("/")
    def get_page(self) -> HTMLResponse:
        """Return the model's card and the routes; this route comes before BentoML's own page."""
        return HTMLResponse(self._page, headers=HEADERS)

    @_asgi_app.get("/lineage")
    def get_lineage(self) -> JSONResponse:
        """Return the lineage of the answers: bento, weights, verdict, scores, data and licences."""
        manifest = self._assistant.manifest
        content: dict[str, Any] = {
            "bento": _get_bento_tag(),
            "model": self._tag,
            "prompt": manifest.prompt.model_dump(),
            "fingerprint": manifest.fingerprint,
            **manifest.lineage,
        }
        return JSONResponse(content)


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


def _build_validation_error(field: str, message: str) -> ValidationError:
    """Return an error of the assistant as a validation error of the request, which BentoML answers with HTTP 400."""
    details = InitErrorDetails(
        type=PydanticCustomError("request", "{message}", {"message": message}), loc=(field,), input=None
    )
    return ValidationError.from_exception_data("GenerateRequest", [details])
