"""Write the grammars of answers, in the Lark syntax of llguidance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llguidance import regex_to_lark

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed
from seodang.inference.guides.json_schema import MAX_CHARACTERS, check_schema

# A blank after a comma or colon, as Python writes JSON, or none. More blanks could go on until the answer is cut.
# Without the escape \u Hangul is written as it is.
_JSON_OPTIONS: Final = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "json_allowed_escapes": 'nrbtf\\"',
    "coerce_one_of": False,
    "lenient": False,
}


def build_schema_body(schema: Any) -> str:
    """Return the rule of JSON that keeps a schema.

    Raises:
        GuideFailed: If the schema is not supported.
    """
    return f"%json {json.dumps({**check_schema(schema), 'x-guidance': _JSON_OPTIONS})}"


def build_object_body() -> str:
    """Return the rule of any JSON object."""
    return build_schema_body({"type": "object"})


def build_regex_body(regex: str) -> str:
    """Return the rule of texts that match a regular expression from beginning to end."""
    _check_size(regex)
    return f"/{regex_to_lark(regex, 'd')}/"


def build_choice_body(choices: Sequence[str]) -> str:
    """Return the rule of some texts."""
    _check_size("".join(choices))
    return " | ".join(map(quote, choices))


def quote(text: str) -> str:
    """Return the literal of a text."""
    return json.dumps(text, ensure_ascii=False)


def build_grammar(body: str, prefix: str = "", rules: Mapping[str, str] | None = None) -> str:
    """Return the grammar of an answer.

    Args:
        body: What the answer may be: the right side of a rule.
        prefix: Text before it, such as the blank that a prompt format expects; "" for none.
        rules: Further rules that the body refers to, by name.
    """
    start = f"{quote(prefix)} body" if prefix else "body"
    further = "".join(f"{name}: {rule}\n" for name, rule in (rules or {}).items())
    return f"%llguidance {{}}\nstart: {start}\nbody: {body}\n{further}"


def check_grammar(grammar: str) -> str:
    """Return a grammar that a request brings.

    Raises:
        GuideFailed: If it is too long, or contains a schema, which is checked only where it stands alone.
    """
    _check_size(grammar)
    if "%json" in grammar or "%llguidance" in grammar:
        raise GuideFailed(_("a grammar cannot contain %json or %llguidance; send a schema instead"))
    return grammar


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise GuideFailed(_("it is too long; the limit of its characters is {limit:,}", limit=MAX_CHARACTERS))
