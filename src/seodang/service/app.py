"""The HTTP service: a request model in, the assistant, a response model out.

The bento names its model under the alias `tuned` (bentofile.yaml); building one
fixes the exact tag, so a built bento always serves the weights it was built for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from fastapi import FastAPI
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from starlette.responses import JSONResponse

from seodang.errors import ModelError

ALIAS = "tuned"
_TIMEOUT = 600  # seconds; 256 tokens of a 270M model take two minutes on a slow machine
_asgi_app = FastAPI(openapi_url=None)  # routes that BentoML's own decorator, POST only, cannot give


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank / 비어 있으면 안 됩니다")
    return text


def _check_encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError(
            "not_text", "holds half a surrogate pair, which is no character / 올바른 문자가 아닙니다"
        ) from error
    return text


_Text = Annotated[str, AfterValidator(_check_encodable)]


class GenerateRequest(BaseModel):
    """One instruction for the model."""

    model_config = ConfigDict(extra="forbid", strict=True, title="GenerateRequest")

    instruction: Annotated[_Text, AfterValidator(_check_not_blank)]
    input: _Text = ""
    """What the instruction is about, if anything."""
    max_new_tokens: PositiveInt | None = None
    """At most the packaged bound, which is also the default."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 for the likeliest answer, which is always the same."""


class Usage(BaseModel):
    """Tokens read and written."""

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
    """Answers instructions with the packaged model, and says where it came from."""

    def __init__(self) -> None:
        """Load the model: once in each worker, before it takes requests."""
        from seodang.service.assistant import Assistant

        stored = _get_stored_model()
        self._tag = str(stored.tag)
        self._assistant = Assistant.load(Path(stored.path))

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check_prompt_fingerprint() -> None:
        """Stop `bentoml serve` itself; a worker that refuses would be started again without end."""
        from seodang.models.loading import load_tokenizer
        from seodang.packaging.model_folder import check_renderer, read_manifest

        folder = Path(_get_stored_model().path)
        try:
            manifest = read_manifest(folder)
            check_renderer(manifest, load_tokenizer(folder) if manifest.prompt.format == "chat" else None)
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

    @_asgi_app.get("/lineage")
    def get_lineage(self) -> JSONResponse:
        """Return the way back from an answer: bento, weights, verdict, scores, data, licences."""
        context = bentoml.server_context
        built = context.bento_version != "not available"  # as BentoML calls it when a folder is served
        bento = f"{context.bento_name}:{context.bento_version}" if built else None
        manifest = self._assistant.manifest
        content: dict[str, Any] = {
            "bento": bento,
            "model": self._tag,
            "prompt": manifest.prompt.model_dump(),
            "fingerprint": manifest.fingerprint,
            **manifest.lineage,
        }
        return JSONResponse(content)


def _get_stored_model() -> bentoml.Model:
    try:
        return bentoml.models.get(ALIAS)
    except NotFound as error:
        raise BentoMLException(
            f"no model goes by {ALIAS!r} here; serve a built bento (bentoml serve NAME:VERSION, see artifacts/package/report.json) "
            f"or the project's folder (bentoml serve .): {error}"
        ) from error


def _build_validation_error(field: str, message: str) -> ValidationError:
    """Return a fault that only the model can tell in the shape of those that the request model tells: HTTP 400."""
    details = InitErrorDetails(
        type=PydanticCustomError("request", "{message}", {"message": message}), loc=(field,), input=None
    )
    return ValidationError.from_exception_data("GenerateRequest", [details])
