"""What the routes need: the model, its engine, and how requests are read."""

from __future__ import annotations

import asyncio
import codecs
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from seodang.i18n import _
from seodang.inference.engine.contract import Engine
from seodang.inference.guides.compiler import GuideCompiler
from seodang.service.answers.ratings import AnswerRatings
from seodang.service.answers.reader import TextRules
from seodang.service.answers.token_texts import TokenTexts
from seodang.service.http.api_error import ApiError, build_validation_error
from seodang.service.model.served_model import RequestRejected, ServedModel
from seodang.service.tools.prompts import ToolSupport

_Body = TypeVar("_Body", bound=BaseModel)
_MAX_ARRAYS: Final = 2**17  # the parser takes 300 bytes for an empty one
_CONTEXT_TOKENS: Final = 7  # before a continued text: a character of four bytes, and three bytes of an incomplete one


@dataclass
class ServiceContext:
    """A served model and its engine. The context of the application also knows the other served models."""

    model: ServedModel
    engine: Engine
    is_stopping: bool = False
    """Whether new requests are refused."""
    other_models: tuple[ServiceContext, ...] = ()
    """Models that requests name, beside the packaged one."""
    open_requests: int = 0
    """Requests whose answer is not complete; of the context of the application."""
    ratings: AnswerRatings = field(default_factory=AnswerRatings)
    """Answers that clients can rate; of the context of the application."""

    @cached_property
    def texts(self) -> TokenTexts:
        """Return the texts of single tokens."""
        return TokenTexts(self.model.tokenizer)

    @cached_property
    def guides(self) -> GuideCompiler:
        """Return the compiler of grammars."""
        return GuideCompiler(self.model.tokenizer, self.model.manifest.end_id)

    @cached_property
    def tools(self) -> ToolSupport:
        """Return how the model uses tools."""
        return ToolSupport(self.model)

    @property
    def version(self) -> str:
        """Return the version of the weights, tokenizer and prompts."""
        return self.model.tag.rpartition(":")[2]

    def list_models(self) -> list[ServiceContext]:
        """Return the served models; the packaged one is the first."""
        return [self, *self.other_models]

    def select_model(self, name: str | None) -> ServiceContext:
        """Return the model that a request names; without a name the packaged one.

        Raises:
            ApiError: With the status 404.
        """
        if name is None:
            return self
        for context in self.list_models():
            if context.model.is_named(name):
                return context
        raise ApiError(
            404,
            _("this model is not served; GET /v1/models lists the names"),
            param="model",
            code="model_not_found",
        )

    async def close(self, timeout: float) -> None:
        """Finish the running requests of all models within `timeout` seconds, and stop the engines."""
        await asyncio.gather(*(context.engine.close(timeout) for context in self.list_models()))


def get_context(request: Request) -> ServiceContext:
    """Return the context of the application."""
    context: ServiceContext = request.app.state.context
    return context


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the body of a request.

    Only JSON is accepted: a page of another site can make a browser send other types without asking the service.

    Raises:
        ApiError: If the body is no JSON, or a field is wrong.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise ApiError(400, _("send the request as JSON, with Content-Type: application/json"), code="invalid_json")
    content = (await request.body()).removeprefix(codecs.BOM_UTF8)  # which .NET and PowerShell write
    if content.count(b"[") > _MAX_ARRAYS:
        raise ApiError(
            400, _("the body has too many arrays; the maximum is {limit:,}", limit=_MAX_ARRAYS), code="invalid_value"
        )
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        _check_encoding(content)
        raise build_validation_error(error) from error


def _check_encoding(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        message = _("the body is not UTF-8 (byte {number:,}); send JSON in UTF-8", number=error.start + 1)
        raise ApiError(400, message, code="invalid_json") from error


def build_rejection(error: RequestRejected) -> ApiError:
    """Return the error of a request that the model cannot answer."""
    return ApiError(400, f"{error.field}: {error.message}", param=error.field, code=error.code)


def build_rules(stops: list[str] | None, *, is_trimmed: bool, continued: list[int] | None = None) -> TextRules:
    """Return how an answer becomes text.

    Args:
        stops: Of the request.
        is_trimmed: As in TextRules.
        continued: Tokens of the text that the answer continues; None if it is a text of its own.
    """
    context = tuple((continued or [])[-_CONTEXT_TOKENS:])
    return TextRules(tuple(stops or ()), is_trimmed, context)
