"""Fields that requests share. `null` is an unset field everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from seodang.i18n import _
from seodang.service.answers.forms import FormRequest
from seodang.service.http.api_error import build_unsupported_error
from seodang.service.routes.field_types import Text

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
Seed = Annotated[int, Field(ge=-_INT64, lt=_INT64)]
Count = Annotated[int, Field(gt=0, lt=_INT64)]


class StreamOptions(BaseModel):
    """Options of a stream."""

    model_config = ConfigDict(strict=True)

    include_usage: bool | None = None
    """Whether a last chunk has the number of tokens."""


class SamplingRequest(FormRequest):
    """The fields of OpenAI's two routes for answers."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: Text | None = None
    """Tag or name of the model."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    """Number of answers."""
    seed: Seed | None = None
    """Equal seeds give equal answers."""
    temperature: Temperature | None = None
    """0 (default): greedy decoding."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    """Of the tokens that prompt and answer have, as in vLLM; by default that of the evaluation, and 1 for an answer in
    a given form."""
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
            list[Annotated[Text, Field(min_length=1)]],
            Field(fail_fast=True, max_length=MAX_STOPS, json_schema_extra={"description": "a text, or up to four"}),
            BeforeValidator(_list_stops, json_schema_input_type=str | list[str]),
        ]
        | None
    ) = None
    """Texts that end the answer; the answer does not contain them."""
    ignore_eos: bool | None = None
    """Whether the answer goes on after an end token; load tools send it, for answers of equal length."""


# Field -> the values that change nothing. Others are refused: a field must not be ignored silently.
_UNSUPPORTED: Final[Mapping[str, tuple[Any, ...]]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "reasoning_effort": ("none",),
    "verbosity": (),
    "suffix": ("",),
    "best_of": (1,),
    "top_k": (-1, 0),
    "min_p": (0,),
    "min_tokens": (0,),
    "use_beam_search": (False,),
    "guided_json_object": (False,),
    "guided_whitespace_pattern": (),
    "structural_tag": (),
    "truncate_prompt_tokens": (),
}


def check_supported(request: SamplingRequest) -> None:
    """Raise an error if a request uses a field that is known but not supported; unknown fields are tolerated.

    Raises:
        ApiError: It names the field.
    """
    for name, value in (request.model_extra or {}).items():
        neutral = _UNSUPPORTED.get(name)
        if name == "best_of":  # as many answers as are returned: nothing is left out
            neutral = (request.n or 1,)
        if value is not None and neutral is not None and not _is_neutral(value, neutral):
            raise build_unsupported_error(name)


def _is_neutral(value: Any, neutral: tuple[Any, ...]) -> bool:
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in neutral)
