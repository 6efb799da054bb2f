"""The errors of pydantic in Seodang's words: the place, the rule, the value found, and how to write it."""

from __future__ import annotations

import datetime
import re
import reprlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from seodang.i18n import N_, _, ngettext

_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s'\"]*:[^@\s'\"]*@")  # in an address: a message goes into logs
_MAX_CHARACTERS: Final = 80  # of a value in a message
_MAX_PARSED: Final = 2000  # characters of a text in which a password is looked for
_KEY: Final = "[key]"  # pydantic's last location of an error in a key
# Type of pydantic's error -> the rule; placeholders are pydantic's context.
_RULES: Final[Mapping[str, str]] = {
    "missing": N_("is missing"),
    "extra_forbidden": N_("is not a known parameter"),
    "string_type": N_("must be text"),
    "int_type": N_("must be a whole number"),
    "int_from_float": N_("must be a whole number"),
    "float_type": N_("must be a number"),
    "finite_number": N_("must be a finite number"),
    "bool_type": N_("must be true or false"),
    "list_type": N_("must be a list"),
    "dict_type": N_("must be a mapping of names to values"),
    "model_type": N_("must be a mapping of names to values"),
    "model_attributes_type": N_("must be a mapping of names to values"),
    "none_required": N_("must be null"),
    "literal_error": N_("must be one of {expected}"),
    "greater_than": N_("must be greater than {gt}"),
    "greater_than_equal": N_("must be {ge} or greater"),
    "less_than": N_("must be less than {lt}"),
    "less_than_equal": N_("must be {le} or less"),
    "string_pattern_mismatch": N_("must match the pattern {pattern}"),
    "union_tag_invalid": N_("{discriminator} must be one of {expected_tags}"),
    "union_tag_not_found": N_("needs {discriminator}"),
    "json_invalid": N_("is not valid JSON ({error})"),
}


def _describe_length(kind: str, context: Mapping[str, Any]) -> str | None:
    """Return the rule on the number of entries or characters; None for another kind of rule."""
    match kind:
        case "too_short":
            return ngettext("needs at least {count} entry", "needs at least {count} entries", context["min_length"])
        case "too_long":
            return ngettext("may have at most {count} entry", "may have at most {count} entries", context["max_length"])
        case "string_too_short":
            return ngettext(
                "needs at least {count} character", "needs at least {count} characters", context["min_length"]
            )
        case "string_too_long":
            return ngettext(
                "may have at most {count} character", "may have at most {count} characters", context["max_length"]
            )
    return None


def format_validation_errors(error: ValidationError) -> list[str]:
    """Return one line for each error: place, rule and value; without pydantic's own text and address."""
    return [format_error(detail) for detail in error.errors(include_url=False)]


def format_error(detail: Mapping[str, Any]) -> str:
    """Return the line of one of pydantic's errors."""
    place, kind, found = detail["loc"], detail["type"], detail["input"]
    if kind == "union_tag_invalid":
        found = detail["ctx"]["tag"]
    if kind == "invalid_key":  # of a section
        rule = _("the key {key} is not text in YAML, so it is no parameter; remove it", key=_format_scalar(found))
        return _join(place[:-1], rule)
    if place and place[-1] == _KEY:
        key = _format_scalar(place[-2] if kind != "string_type" else found)
        rule = _('the key {key} is not text in YAML; write it in quotes, as the data have it: "{key}"', key=key)
        return _join(place[:-2], rule)
    rule = describe_rule(detail)
    if kind == "missing":
        return _join(place, rule)
    value = _("got {value}", value=format_value(found))
    hint = _get_hint(kind, found)
    return _join(place, f"{rule} ({value})" if hint is None else f"{rule} ({value}); {hint}")


def _join(place: tuple[Any, ...], text: str) -> str:
    location = ".".join(str(part) for part in place)
    return f"{location}: {text}" if location else text


def describe_rule(detail: Mapping[str, Any]) -> str:
    """Return the rule that one of pydantic's errors names, without place and value."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _RULES:
        return _(_RULES[kind], **context)
    if rule := _describe_length(kind, context):
        return rule
    return str(context.get("error", detail["msg"]))  # a rule of our own has its own words


def _get_hint(kind: str, found: Any) -> str | None:
    """Return how to write a value that YAML reads as another type than the text in the file suggests."""
    if kind == "string_type" and isinstance(found, bool | int | float | datetime.date):
        return _('write it in quotes: "{value}"', value=_format_scalar(found))
    if kind == "bool_type" and str(found).lower() in ("yes", "on", "y"):
        return _("write {value}", value="true")
    if kind == "bool_type" and str(found).lower() in ("no", "off", "n"):
        return _("write {value}", value="false")
    if kind in ("int_type", "float_type") and isinstance(found, str):
        return _("write a number without quotes, units and commas")
    return None


def _format_scalar(value: Any) -> str:
    """Return a value as YAML writes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def format_value(value: object) -> str:
    """Return a value for a message, without a password in it and not too long."""
    # With aliases, a few lines of YAML may stand for more values than the memory holds.
    representation = reprlib.Repr()
    representation.maxstring = representation.maxother = representation.maxlong = _MAX_PARSED
    text = _PASSWORD.sub("...@", representation.repr(value))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."


def describe_read_error(error: Exception) -> str:
    """Return what is wrong with a file that cannot be read, in one line."""
    return "; ".join(format_validation_errors(error)) if isinstance(error, ValidationError) else repr(error)
