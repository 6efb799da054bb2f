"""Templates over the columns of a row: jinja2, sandboxed, and a name that the row doesn't have is an error."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import AfterValidator

from seodang.errors import EvaluationError

ROW = "row"  # the row itself, for columns whose names are no identifiers or that may be missing
# What a template may stumble over in the values of a row.
_RENDER_ERRORS = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError)


@cache
def _create_environment() -> jinja2.Environment:
    return ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)


@cache
def _compile_template(text: str) -> jinja2.Template:
    return _create_environment().from_string(text)


def _validate_template(text: str) -> str:
    try:
        _compile_template(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"is no template: {error.message}, in its line {error.lineno} / 템플릿 문법 오류") from error
    return text


Template = Annotated[str, AfterValidator(_validate_template)]
"""Text in which {{ name }} stands for a column of the row; {{ row["a name"] }} for one whose name is no identifier."""


@cache
def find_names(text: str) -> frozenset[str]:
    """Return the columns that a template names, those that it takes out of `row` not counted."""
    return frozenset(meta.find_undeclared_variables(_create_environment().parse(text))) - {ROW}


def render(text: str, values: Mapping[str, Any]) -> str:
    """Return a template filled in, in NFC; blanks stay as they are, for they are part of what is asked.

    Raises:
        EvaluationError: If the values don't fit; without the place, which the caller knows.
    """
    if "{" not in text:
        return unicodedata.normalize("NFC", text)
    try:
        filled = _compile_template(text).render({**values, ROW: values})
    except _RENDER_ERRORS as error:
        raise EvaluationError(
            f"the template {_shorten(text)} cannot be filled in: {error} / 템플릿을 채울 수 없습니다"
        ) from error
    return unicodedata.normalize("NFC", filled)


def evaluate_condition(condition: str, values: Mapping[str, Any]) -> bool:
    """Return whether a template gives True.

    Raises:
        EvaluationError: If it gives anything but True and False.
    """
    result = render(condition, values).strip()
    if result not in {"True", "False"}:
        raise EvaluationError(
            f"the condition {_shorten(condition)} gives {_shorten(result)}; it must give True or False, such as {{{{ label != '' }}}}"
        )
    return result == "True"


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
