"""Templates over the columns of a row: sandboxed jinja2, in which an unknown name is an error."""

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
from seodang.i18n import _

ROW = "row"  # the row itself, for columns whose names are no identifiers or that may be missing
# Exceptions that the values of a row may cause in a template.
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
        raise ValueError(
            _("is not a valid template: {problem}, in its line {line}", problem=error.message, line=error.lineno)
        ) from error
    return text


Template = Annotated[str, AfterValidator(_validate_template)]
"""Text in which {{ name }} is a column of the row; {{ row["a name"] }} is a column whose name is no identifier."""


@cache
def find_names(text: str) -> frozenset[str]:
    """Return the columns that a template names, except those that it takes out of `row`."""
    return frozenset(meta.find_undeclared_variables(_create_environment().parse(text))) - {ROW}


def render(text: str, values: Mapping[str, Any]) -> str:
    """Return a rendered template in NFC; blanks stay, because they belong to the prompt.

    Raises:
        EvaluationError: If the values do not fit. The caller adds the row to the message.
    """
    if "{" not in text:
        return unicodedata.normalize("NFC", text)
    try:
        rendered = _compile_template(text).render({**values, ROW: values})
    except _RENDER_ERRORS as error:
        raise EvaluationError(
            _("the template {template} cannot be rendered: {error}", template=_shorten(text), error=error)
        ) from error
    return unicodedata.normalize("NFC", rendered)


def evaluate_condition(condition: str, values: Mapping[str, Any]) -> bool:
    """Return whether a template renders as True.

    Raises:
        EvaluationError: If it renders as another text than True or False.
    """
    result = render(condition, values).strip()
    if result not in {"True", "False"}:
        raise EvaluationError(
            _(
                "the condition {condition} gives {result}; it must give True or False, such as {{{{ label != '' }}}}",
                condition=_shorten(condition),
                result=_shorten(result),
            )
        )
    return result == "True"


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
