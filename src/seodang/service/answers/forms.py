"""The fields that give an answer its form: JSON, a schema, a regular expression, choices or a grammar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from seodang.i18n import _
from seodang.inference.guides.grammars import (
    build_choice_body,
    build_object_body,
    build_regex_body,
    build_schema_body,
    check_grammar,
)
from seodang.service.http.api_error import build_unsupported_error, reject_field
from seodang.service.routes.field_types import OBJECT, TEXT, TEXT_OR_OBJECT, NonEmptyText, OpenObject, Text

_MAX_CHOICES: Final = 1024
Schema = Annotated[Annotated[dict[str, Any], OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT]
"""A JSON schema, as an object or as text."""
Choices = Annotated[list[NonEmptyText], Field(fail_fast=True, min_length=1, max_length=_MAX_CHOICES)]


class NamedSchema(BaseModel):
    """A JSON schema with a name."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True, serialize_by_alias=True)

    name: Text | None = None
    content: dict[str, Any] | None = Field(default=None, alias="schema")
    """Draft 2020-12; required."""
    strict: bool | None = None
    """Changes nothing: every answer keeps the schema."""


class ResponseFormat(OpenObject):
    """OpenAI's form of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None
    """Of the type json_schema."""


class StructuredOutputs(BaseModel):
    """vLLM's form of an answer; exactly one field is set."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True, serialize_by_alias=True)

    content: Schema | None = Field(default=None, alias="json")
    """A JSON schema."""
    regex: NonEmptyText | None = None
    choice: Choices | None = None
    grammar: NonEmptyText | None = None
    json_object: bool | None = None


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form that a request gives its answer."""

    field: str
    """Name of the field, for errors."""
    build: Callable[[], str]
    """Returns the rule of the grammar; raises GuideFailed."""
    is_grammar: bool = False
    """Whether it returns a whole grammar."""
    is_kept_by: Callable[[str], bool] = lambda _answer: True
    """Returns whether the text of an answer that ended by itself can be read as its client expects. True where nothing
    but the grammar tells: it lets an answer end only where its form is complete."""


class FormRequest(BaseModel):
    """A request that may give its answer a form."""

    response_format: ResponseFormat | None = None
    """Form of the answer."""
    guided_json: Schema | None = None
    """JSON schema that the answer keeps; this field and the next ones have vLLM's names."""
    guided_regex: NonEmptyText | None = None
    """Regular expression that the whole answer matches."""
    guided_choice: Choices | None = None
    """Texts of which the answer is one."""
    guided_grammar: NonEmptyText | None = None
    """Grammar of the answer, in the Lark syntax of llguidance."""
    structured_outputs: StructuredOutputs | None = None
    """The same guides, in one object."""


def find_form(request: FormRequest) -> AnswerForm | None:
    """Return the form of the answer; None: any text.

    Raises:
        ApiError: If a request has two forms, or one that is not supported.
    """
    forms = [
        *_list_response_format(request.response_format),
        *_list_guides(
            "guided_{}", request.guided_json, request.guided_regex, request.guided_choice, request.guided_grammar
        ),
        *_list_structured_outputs(request.structured_outputs),
    ]
    if len(forms) > 1:
        raise reject_field(forms[1].field, _("an answer has one form; leave out {field}", field=forms[0].field))
    return forms[0] if forms else None


def _list_response_format(format: ResponseFormat | None) -> Iterator[AnswerForm]:
    if format is None or format.type == "text":
        return
    if format.type == "json_object":
        yield AnswerForm("response_format", build_object_body, is_kept_by=_is_object)
        return
    schema = None if format.json_schema is None else format.json_schema.content
    if schema is None:
        raise reject_field("response_format.json_schema.schema", _("the type json_schema needs a schema"))
    yield AnswerForm("response_format.json_schema.schema", partial(build_schema_body, schema), is_kept_by=_is_json)


def _list_structured_outputs(outputs: StructuredOutputs | None) -> Iterator[AnswerForm]:
    if outputs is None:
        return
    for name, value in (outputs.model_extra or {}).items():
        if value is not None and value is not False:
            raise build_unsupported_error(f"structured_outputs.{name}")
    yield from _list_guides("structured_outputs.{}", outputs.content, outputs.regex, outputs.choice, outputs.grammar)
    if outputs.json_object:
        yield AnswerForm("structured_outputs.json_object", build_object_body, is_kept_by=_is_object)


def _list_guides(
    field: str, schema: Schema | None, regex: str | None, choices: list[str] | None, grammar: str | None
) -> Iterator[AnswerForm]:
    if schema is not None:
        name = field.format("json")
        yield AnswerForm(name, partial(build_schema_body, _read_schema(schema, name)), is_kept_by=_is_json)
    if regex is not None:
        yield AnswerForm(field.format("regex"), partial(build_regex_body, regex))
    if choices is not None:
        is_choice = partial(_is_choice, frozenset(map(str.strip, choices)))
        yield AnswerForm(field.format("choice"), partial(build_choice_body, choices), is_kept_by=is_choice)
    if grammar is not None:
        yield AnswerForm(field.format("grammar"), partial(check_grammar, grammar), is_grammar=True)


def _is_json(answer: str) -> bool:
    try:
        json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return True


def _is_object(answer: str) -> bool:
    return answer.strip().startswith("{") and _is_json(answer)


def _is_choice(choices: frozenset[str], answer: str) -> bool:
    return answer.strip() in choices


def _read_schema(schema: Schema, field: str) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise reject_field(field, _("the schema is no JSON")) from error
