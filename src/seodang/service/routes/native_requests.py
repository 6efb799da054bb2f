"""Bodies and answers of Seodang's own routes. Unknown fields are errors here."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from seodang.service.answers.forms import FormRequest
from seodang.service.routes.field_types import ENCODABLE, FilledText, Text
from seodang.service.routes.openai_requests import TokenIds
from seodang.service.routes.request_fields import Count, Temperature

MAX_RECORDS: Final = 128
_MAX_OPTIONS: Final = 64
_MAX_CHARACTERS: Final = 2**20  # no other request is served while a text is tokenized: a million take 0.7 s
_MAX_TOKENS: Final = 2**18


class _NativeRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Instruction(_NativeRequest):
    """An instruction with its input."""

    instruction: FilledText
    input: Text | None = None
    """Text that the instruction refers to; may be empty."""


class _ModelRequest(_NativeRequest):
    model: Text | None = None
    """Tag or name of the model; the packaged one by default."""


class GenerateRequest(Instruction, _ModelRequest, FormRequest):
    """One instruction for the model."""

    max_new_tokens: Count | None = None
    """At most the packaged maximum, which is also the default."""
    temperature: Temperature | None = None
    """0 (default): greedy decoding, which always gives the same answer."""
    stream: bool | None = None
    """Whether the answer is sent as it is computed."""


class ChooseRequest(Instruction, _ModelRequest):
    """An instruction with the answers to choose from."""

    options: Annotated[
        list[FilledText],
        Field(fail_fast=True, min_length=2, max_length=_MAX_OPTIONS, json_schema_extra={"uniqueItems": True}),
    ]


class BatchRequest(_ModelRequest):
    """Several instructions."""

    records: Annotated[list[Instruction], Field(fail_fast=True, min_length=1, max_length=MAX_RECORDS)]
    max_new_tokens: Count | None = None
    temperature: Temperature | None = None


class TokenizeRequest(BaseModel):
    """A text to be encoded."""

    model_config = ConfigDict(extra="allow", strict=True)

    prompt: Annotated[str, Field(max_length=_MAX_CHARACTERS), ENCODABLE]
    model: Text | None = None
    add_special_tokens: bool | None = None
    """Whether the begin token comes first, if the tokenizer has one; true by default."""


class DetokenizeRequest(BaseModel):
    """Token ids to be decoded."""

    model_config = ConfigDict(extra="ignore", strict=True)

    tokens: Annotated[TokenIds, Field(max_length=_MAX_TOKENS)]
    model: Text | None = None


class Usage(BaseModel):
    """Number of tokens in prompt and answer."""

    prompt_tokens: int
    completion_tokens: int


class BatchAnswer(BaseModel):
    """The answer to one record."""

    output: str
    finish_reason: Literal["stop", "length"]
    usage: Usage


class GenerateResponse(BatchAnswer):
    """The model's answer."""

    id: str
    """Of the answer, for POST /feedback."""
    model: str
    """Exact tag of the weights."""


class BatchResponse(BaseModel):
    """The answers, in the order of the records."""

    answers: list[BatchAnswer]
    model: str


class ChooseResponse(BaseModel):
    """The chosen option."""

    option: str
    """The option with the highest log-likelihood; of equal ones, the first."""
    probabilities: dict[str, float]
    """Of each option among the options."""
    log_likelihoods: dict[str, float]
    """Of each option after the prompt, in nats, as in evaluation."""
    usage: Usage
    model: str
