"""Check the JSON schema of an answer before it is compiled: what cannot be kept is refused, not ignored.

llguidance ignores words that it does not know, and a few schemas need minutes to compile.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final
from urllib.parse import quote

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed

MAX_CHARACTERS: Final = 100_000
_MAX_DEPTH: Final = 64  # schemas within schemas
_MAX_SHOWN: Final = 60  # characters of a value in a message
_MAX_MULTIPLE: Final = 10_000
_MAX_COMBINED_PATTERNS: Final = 8  # each one doubles the states of their intersection
_INT64: Final = 2**63
_MAX_INTEGER: Final = 2**62
"""Of a value in enum or const."""

_ANNOTATIONS: Final = frozenset(
    "title description default example examples deprecated readOnly writeOnly $comment $schema".split()
)
_SCHEMA: Final = frozenset({"additionalProperties", "items"})
_SCHEMAS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED_SCHEMAS: Final = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_ASSERTIONS: Final = frozenset(
    "type enum const $ref required minProperties maxProperties minItems maxItems minLength maxLength pattern format"
    " minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split()
)
_FORMATS: Final = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid uri".split())
_COUNTS: Final = frozenset("minProperties maxProperties minItems maxItems minLength maxLength".split())
_TYPES: Final = frozenset("null boolean object array number string integer".split())
_NUMBERS: Final = frozenset("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split())


def check_schema(schema: Any) -> dict[str, Any]:
    """Return a copy of the schema as the compiler reads it.

    Args:
        schema: A JSON schema, draft 2020-12.

    Raises:
        GuideFailed: If it has a keyword that is not supported, or is too large.
    """
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise GuideFailed(_("a schema must be an object"))
    try:
        text = json.dumps(schema, allow_nan=False)
    except (RecursionError, ValueError) as error:
        raise GuideFailed(_("the schema is nested too deeply, or has a number that is not finite")) from error
    if len(text) > MAX_CHARACTERS:
        raise GuideFailed(_("the schema is too long; the limit of its characters is {limit:,}", limit=MAX_CHARACTERS))
    root: dict[str, Any] = json.loads(text)
    root.pop("$id", None)  # of the whole document; references to other documents are refused
    limits = _Limits()
    for path, item in _walk(root):
        _check_object(path, item)
        if "$ref" in item:
            item["$ref"] = quote(str(item["$ref"]), safe="#/$%~:@!&'()*+,;=?")  # a URI has no Hangul
        limits.add(path, item)
    limits.check()
    return root


def _walk(root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema with its path; a schema that is true or false has nothing to check."""
    waiting: list[tuple[str, Any, int]] = [("#", root, 0)]
    while waiting:
        path, schema, depth = waiting.pop()
        if isinstance(schema, bool):
            continue
        if not isinstance(schema, dict):
            raise GuideFailed(_("{path}: a schema must be an object", path=path))
        if depth > _MAX_DEPTH:
            raise GuideFailed(_("the schema is nested too deeply; the limit is {limit}", limit=_MAX_DEPTH))
        yield path, schema
        waiting += [(f"{path}/{name}", value, depth + 1) for name, value in _list_children(path, schema)]


def _list_children(path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in schema.items():
        if name in _SCHEMA:
            yield name, value
        elif name in _SCHEMAS:
            if not isinstance(value, list):
                raise GuideFailed(_("{path}: {keyword} must be a list of schemas", path=path, keyword=name))
            yield from ((f"{name}/{index}", item) for index, item in enumerate(value))
        elif name in _NAMED_SCHEMAS:
            if not isinstance(value, Mapping):
                raise GuideFailed(_("{path}: {keyword} must be an object", path=path, keyword=name))
            yield from ((f"{name}/{key}", item) for key, item in value.items())


def _check_object(path: str, schema: Mapping[str, Any]) -> None:
    for name, value in schema.items():
        if name in _ANNOTATIONS or (name.startswith("x-") and name != "x-guidance"):
            continue
        if name not in _ASSERTIONS | _SCHEMA | _SCHEMAS | _NAMED_SCHEMAS:
            raise GuideFailed(_("{path}: the keyword {keyword} is not supported", path=path, keyword=name))
        if name in _NUMBERS | _COUNTS:
            _check_number(path, name, value)
        if name in ("enum", "const"):
            _check_values(path, name, value)
        if not _has_right_kind(name, value):
            shown = json.dumps(value, ensure_ascii=False)[:_MAX_SHOWN]
            raise GuideFailed(
                _("{path}: {keyword} cannot be {value} in JSON Schema", path=path, keyword=name, value=shown)
            )
    if "$ref" in schema and not str(schema["$ref"]).startswith("#"):
        raise GuideFailed(_("{path}: $ref must refer to a part of this schema, such as #/$defs/name", path=path))
    format = schema.get("format")
    if format is not None and (not isinstance(format, str) or format not in _FORMATS):
        names = ", ".join(sorted(_FORMATS))
        raise GuideFailed(_("{path}: this format is not supported; those that are: {names}", path=path, names=names))
    _check_property_count(path, schema)


def _has_right_kind(name: str, value: Any) -> bool:
    """Return whether a keyword has a value of the kind that llguidance expects: at some others it panics."""
    items = value if isinstance(value, list) else [value]
    if name == "type":
        return bool(items) and all(isinstance(item, str) and item in _TYPES for item in items)
    if name == "required":
        return isinstance(value, list) and all(isinstance(item, str) for item in items)
    if name == "enum":
        return isinstance(value, list) and bool(value)
    return isinstance(value, str) if name in ("pattern", "$ref") else True


def _check_values(path: str, name: str, value: Any) -> None:
    """Check the values of an answer: llguidance overflows its stack at -2^63, which would end the process."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, int) and abs(item) >= _MAX_INTEGER:
            raise GuideFailed(_("{path}: {keyword} has an integer of 63 bits or more", path=path, keyword=name))
        waiting += item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()


def _check_number(path: str, name: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or abs(value) >= _INT64 or (name in _COUNTS and (value < 0 or value != int(value))):
        raise GuideFailed(_("{path}: {keyword} must be a number of 64 bits", path=path, keyword=name))


def _check_property_count(path: str, schema: Mapping[str, Any]) -> None:
    """Reject a minimum that repeated keys could seem to reach: the grammar does not know the keys written before."""
    required = schema.get("required")
    count = len(set(map(str, required))) if isinstance(required, list) else 0
    if schema.get("minProperties", 0) > max(count, 1):
        raise GuideFailed(
            _("{path}: minProperties above the number of required properties is not supported", path=path)
        )


def _combines(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema intersects others."""
    references = schema.keys() & {"$ref", "anyOf", "oneOf"}
    others = schema.keys() - _ANNOTATIONS - {"$defs", "definitions"}
    return "allOf" in schema or (bool(references) and len(others) > 1)


class _Limits:
    """What makes the automata of a schema large, although each part is small."""

    def __init__(self) -> None:
        self._multiples: set[int] = set()
        self._patterns = 0
        self._is_combined = False

    def add(self, path: str, schema: Mapping[str, Any]) -> None:
        """Count what a schema contains, without the schemas within it."""
        if "multipleOf" in schema:
            if schema["multipleOf"] <= 0:
                raise GuideFailed(_("{path}: multipleOf must be above 0", path=path))
            self._multiples.add(Fraction(str(schema["multipleOf"])).numerator)
        named = schema.get("patternProperties")
        count = len(named) if isinstance(named, Mapping) else 0
        self._patterns += ("pattern" in schema) + ("format" in schema) + count
        self._is_combined = self._is_combined or _combines(schema)

    def check(self) -> None:
        """Raise an error if an automaton would be too large.

        A number is divided by an automaton of as many states as the least common multiple.
        """
        if math.prod(self._multiples) > _MAX_MULTIPLE:
            raise GuideFailed(_("the values of multipleOf are too large; {limit:,} is the limit", limit=_MAX_MULTIPLE))
        if self._is_combined and self._patterns > _MAX_COMBINED_PATTERNS:
            raise GuideFailed(
                _(
                    "too many patterns are combined by allOf or $ref; the limit is {limit}",
                    limit=_MAX_COMBINED_PATTERNS,
                )
            )
