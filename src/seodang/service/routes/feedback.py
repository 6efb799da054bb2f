"""POST /feedback: a client rates an answer that it got."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from seodang.i18n import _
from seodang.service.answers.ratings import RatedAnswer, Rating
from seodang.service.context import get_context, read_body
from seodang.service.http.api_error import ApiError, reject_field
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.http.request_marks import key_name
from seodang.service.routes.field_types import ENCODABLE
from seodang.service.telemetry.metered_steps import create_series


class FeedbackRequest(BaseModel):
    """A rating of an answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(max_length=128), ENCODABLE]
    """Of the answer: its field `id`."""
    rating: Rating


class FeedbackResponse(BaseModel):
    """The rating that counts."""

    id: str
    rating: Rating


def create_answer_id(request: Request, prefix: str, model_name: str) -> str:
    """Return the id of a new answer, under which its client can rate it.

    Args:
        request: Of the client.
        prefix: Of the id.
        model_name: Of the model that answers.
    """
    id = f"{prefix}-{uuid.uuid4().hex}"  # 122 random bits
    get_context(request).ratings.add(id, RatedAnswer(key_name.get(), model_name))
    return id


async def rate_answer(request: Request) -> Response:
    """Count the first rating of an answer; the same one again changes nothing."""
    body = await read_body(request, FeedbackRequest)
    answer = get_context(request).ratings.find(body.id, key_name.get())
    if answer is None:
        raise ApiError(
            404,
            _("there is no answer with this id that can be rated; the service remembers the last answers of this key"),
            param="id",
            code="answer_not_found",
        )
    if answer.rating is None:
        answer.rating = body.rating
        create_series(answer.model_name).ratings[body.rating].inc()
    if answer.rating != body.rating:
        raise reject_field("rating", _("the answer has the other rating already, which counts"), "already_rated")
    return Utf8JSONResponse(FeedbackResponse(id=body.id, rating=answer.rating).model_dump())
