"""Fields that requests share. `null` is an unset field everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from seodang.i18n import _
from seodang.service.answers.forms import FormRequest
from seodang.service.routes.field_types import WHOLE, NonEmptyText, Text
from seodang.service.routes.unsupported_fields import STREAM_FIELDS, Neutral, check_supported

MAX_STOPS: Final = 4
MAX_CHOICES: Final = 16
MAX_BIASES: Final = 1024
_INT64: Final = 2**63


def _list_stops(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _check_biases(value: Any) -> Any:
    """Check the number before the values: each wrong value is an error that takes memory."""
    if isinstance(value, dict) and len(value) > MAX_BIASES:
        raise PydanticCustomError("too_many", _("has too many tokens; the maximum is {limit}", limit=MAX_BIASES))
    return value


Temperature = Annotated[float, Field(ge=0, le=2)]
Seed = Annotated[int, Field(ge=-_INT64, lt=_INT64), WHOLE]
Count = Annotated[int, Field(gt=0, lt=_INT64), WHOLE]


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(extra="allow", strict=True)

    include_usage: bool | None = None
    """Whether a last chunk has the number of tokens."""
    continuous_usage_stats: bool | None = None
    """Whether every chunk has it, too, of its answer so far; needs include_usage. The name is vLLM's."""


class SamplingRequest(FormRequest):
    """The fields of OpenAI's two routes for answers."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: Text | None = None
    """Tag or name of the model."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = None
    """Number of answers."""
    seed: Seed | None = None
    """Equal seeds give equal answers."""
    temperature: Temperature | None = None
    """0 (default): greedy decoding."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """0: the most probable token alone."""
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: (
        Annotated[
            dict[str, Annotated[float, Field(ge=-100, le=100)]],
            BeforeValidator(_check_biases, json_schema_input_type=dict[str, float]),
            Field(max_length=MAX_BIASES),
        ]
        | None
    ) = None
    """Token id -> value added to its logit."""
    stop: (
        Annotated[
            list[NonEmptyText],
            Field(fail_fast=True, max_length=MAX_STOPS, json_schema_extra={"description": "a text, or up to four"}),
            BeforeValidator(_list_stops, json_schema_input_type=str | list[str]),
        ]
        | None
    ) = None
    """Texts that end the answer; the answer does not contain them."""
    ignore_eos: bool | None = None
    """Whether the answer goes on after an end token; load tools send it, for answers of equal length."""


def check_sampling(request: SamplingRequest, fields: Mapping[str, Neutral]) -> None:
    """Raise an error if a request uses a field that is known but not supported.

    Args:
        request: The fields.
        fields: Known fields without support, and their neutral values.

    Raises:
        ApiError: It names the field.
    """
    # As many answers as are returned: nothing is left out.
    check_supported(request, {**fields, "best_of": (request.n or 1,)})
    if request.stream_options is not None:
        check_supported(request.stream_options, STREAM_FIELDS, "stream_options.")
