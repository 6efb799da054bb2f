"""Describe the keys of a file in an unknown format: the nearest format, nested records, and all formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from seodang.config.record_formats import QA
from seodang.i18n import _
from seodang.ingest.formats import instruction
from seodang.ingest.formats.column_guess import LABEL_FIELD, format_check_command, guess_columns
from seodang.ingest.formats.registry import FORMAT_SPECS, describe_formats
from seodang.ingest.formats.sample import RawRecord
from seodang.ingest.rows import shorten

_MAX_KEY_CHARACTERS: Final = 400  # characters of all keys in a message
# Keys that files of any format may have: they do not make a format the nearest one.
_GENERIC_KEYS: Final = ("label", "context|category", "category", "text")


def format_advice(names: Sequence[str], first: Sequence[RawRecord], location: str) -> str:
    """Return the nearest format and its missing keys, the key of nested records, all formats, and the ready command."""
    fallback = _(
        "known formats: {formats}; or name the keys with format: columns, or give a template for a labelled table with"
        " format: table (docs/data-formats.md)",
        formats=describe_formats(),
    )
    nested = _describe_nested(names, first)
    command = "" if nested else _describe_guess(names, first, location)
    return "; ".join(part for part in (_describe_nearest(names), nested, fallback, command) if part)


def _describe_guess(names: Sequence[str], first: Sequence[RawRecord], location: str) -> str:
    """Return the ready command with the columns that look like those of a record; "" if none do."""
    columns = guess_columns(names, first)
    if not columns:
        return ""
    command = format_check_command(location, columns)
    if LABEL_FIELD in columns:
        return _("it looks like texts with labels; try: {command}", command=command)
    return _("it looks like questions and answers; try: {command}", command=command)


def find_missing_qa_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that a table of questions and answers lacks, each with its possible names."""
    sides = ((_("a question"), instruction.QUESTIONS), (_("an answer"), instruction.ANSWERS))
    return [f"{side} ({', '.join(known)})" for side, known in sides if not instruction.find_column(names, known)]


def join_keys(keys: Iterable[str]) -> str:
    """Return the keys of a FormatSpec as a list for a message; "a|b" becomes "a or b"."""
    return join_names(key.replace("|", _(" or ")) for key in keys)


def join_names(names: Iterable[str]) -> str:
    """Return names as a list for a message: "a and b"."""
    return _(" and ").join(names)


def format_names(names: Sequence[str]) -> str:
    """Return the keys of a file for a message, at most 400 characters."""
    return shorten(", ".join(names), _MAX_KEY_CHARACTERS) or _("(none)")


def _describe_nearest(names: Sequence[str]) -> str:
    """Return the nearest format with its missing keys; "" if the file has no key of any format."""
    specs = [spec for spec in FORMAT_SPECS if spec.is_detectable]
    candidates = [
        (len(spec.find_missing_keys(names)), -len(spec.keys), -number)
        for number, spec in enumerate(specs)
        if {*spec.keys} - {*spec.find_missing_keys(names), *_GENERIC_KEYS}
    ]
    if not candidates:
        missing_columns = find_missing_qa_columns(names)
        return _format_nearest(QA.name, missing_columns) if len(missing_columns) == 1 else ""
    spec = specs[-min(candidates)[2]]
    if missing := spec.find_missing_keys(names):
        return _format_nearest(spec.format.name, missing)
    return _(
        "the nearest is {format}, but the values of {keys} do not match it",
        format=spec.format.name,
        keys=", ".join(spec.keys),
    )


def _format_nearest(format: str, missing: Sequence[str]) -> str:
    return _("the nearest is {format}, but {missing} is missing", format=format, missing=join_keys(missing))


def _describe_nested(names: Sequence[str], first: Sequence[RawRecord]) -> str:
    """Return the columns to write if all records are nested under one key; "" otherwise."""
    nested_names = [name for name in names if first and all(_is_record(record.get(name)) for record in first)]
    if not nested_names:
        return ""
    has_input = any(isinstance(value := record.get(nested_names[0]), dict) and "input" in value for record in first)
    fields = ("instruction", "input", "output") if has_input else ("instruction", "output")
    return _(
        "the records are nested under {keys}: write format: columns, columns: {{{columns}}}",
        keys=join_names(nested_names[:3]),
        columns=", ".join(f"{field}: {nested_names[0]}.{field}" for field in fields),
    )


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and {"instruction", "output"} <= set(value)
