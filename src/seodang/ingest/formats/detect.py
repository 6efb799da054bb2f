"""Which record format a file has: told by the keys that have a value in its first records, or forced.

Each of the first records is recognised by its own keys, and most of them decide; of as many,
the format whose record comes first. A key whose value is null, NaN or empty does not count:
a table has a cell for each column in each row. Records without an answer (`prompts`) decide only
where no other is recognised, and where none is, the keys of all of them count together.

A later or stray record is read by the format of its file, unless it lacks the keys of that and has all of
another format, or says with KTO's label whether its answer is good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from seodang.config import Format, TableTemplate
from seodang.errors import SourceError
from seodang.ingest.formats import classification, instruction
from seodang.ingest.formats.classification import BundledTable
from seodang.ingest.formats.registry import SHAPES, Reading, Shape, known_formats
from seodang.ingest.formats.sample import Found, stepped
from seodang.ingest.readers.by_column import by_column
from seodang.ingest.rows import shown

_SHOWN_KEYS: Final = 400  # characters of all keys in a message
_TELLING_NOTHING: Final = (
    "label",
    "context|category",
    "category",
    "text",
)  # keys that any file may have: they bring it near to no format
_BEFORE_TABLES: Final = frozenset({"preference", "kto", "messages", "sharegpt", "dialogue", "self-instruct"})
_OF_LISTS: Final = frozenset(
    {"dialogue", "messages", "sharegpt", "self-instruct"}
)  # formats one record of which may look like a table by column
_UNMARKED: Final = frozenset({"messages", "sharegpt", "alpaca", "koalpaca", "qa"})  # that KTO's are with a label
_QA: Final = "qa"

_Told = Shape | BundledTable | str  # _QA


def reading(
    names: Sequence[str],
    first: Sequence[Found],
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    place: str,
) -> Reading:
    """Return how a file is read.

    Args:
        names: All keys of its first records.
        first: Its first records.
        format: "auto", or the one that is forced.
        columns: For format columns.
        table: For format table.
        place: The file's name in messages.

    Raises:
        SourceError: If the format is not recognised, or the forced one is not what the file has.

    """
    if format == "columns":
        return _columns_reading(names, first, columns or {}, place)
    if format == "table":
        if table is None:
            raise SourceError(
                f"{place}: format table needs a template that says how a row of cells becomes an instruction (docs/data-formats.md)"
            )
        return Reading(
            "table", classification.labelled(table, names, place), frozenset(classification.columns_of(table, names))
        )
    if format != "auto":
        return _forced(names, format, place)
    recognised = _recognised(names, first, place)
    if len(first) == 1 and (recognised is None or recognised.name not in _OF_LISTS) and (why := by_column(first[0])):
        raise SourceError(f"{place} {why}")
    if recognised is None:
        raise SourceError(
            f"{place}: the record format is not recognised; found the keys {_listed(names)}; {_advice(names, first)}"
        )
    return recognised


def reading_of(found: Found, one: Reading) -> Reading:
    """Return how one record of a file is read whose format was recognised: as the file, or by its own format (see above)."""
    if one.name in _UNMARKED and _says_whether_good(found):
        return _own(found, [shape for shape in SHAPES if shape.format == "kto"], one)
    if all(any(_says(found.get(name)) for name in names) for names in one.needs):
        return one
    return _own(found, SHAPES, one)


def _own(found: Found, shapes: Sequence[Shape], one: Reading) -> Reading:
    """Return the reading of the first shape whose keys the record has; the file's when it only lacks some keys of that."""
    names = _names_with_value(found)
    for shape in shapes:
        if shape.told and shape.format != "prompts" and not shape.missing(names) and shape.fits([found]):
            return one if {*names} & shape.named() <= one.used else shape.reading(names)
    asked = _asked(names, names)
    apart = asked is not None and not {name for key in asked.needs for name in key} & one.used
    return asked if asked is not None and apart else one


def _says_whether_good(found: Found) -> bool:
    label = found.get("label")
    return (
        found.get("kto_tag") is not None
        or isinstance(label, bool)
        or (isinstance(label, str) and label.strip().lower() in ("true", "false"))
    )


def _says(value: object) -> bool:
    """Tell whether a key has a value: neither null nor NaN, no empty text, list or object."""
    return value is not None and value != "" and value == value and value != [] and value != {}


def _names_with_value(found: Found) -> tuple[str, ...]:
    return tuple(name for name, value in found.items() if _says(value))


def _recognised(names: Sequence[str], first: Sequence[Found], place: str) -> Reading | None:
    """Return how most of the first records are read; how they are together when none can be told."""
    records = Counter(_names_with_value(found) for found in first)  # in their order
    told = {own: each for own in records if (each := _told(own, first))}
    if not told:
        together = list(dict.fromkeys(name for own in records for name in own))
        return next(
            (_read_as(each, its, names, place) for its in (together, names) if (each := _told(its, first))), None
        )
    answered = {own: each for own, each in told.items() if not (isinstance(each, Shape) and each.format == "prompts")}
    votes: Counter[object] = Counter()
    for own, each in (answered or told).items():
        votes[_family(each)] += records[own]
    winner = votes.most_common(1)[0][0]  # the first of equals
    chosen = {own: each for own, each in told.items() if _family(each) == winner}
    return _read_as(_first_tried(chosen.values()), [name for own in chosen for name in own], names, place)


def _told(names: Sequence[str], first: Sequence[Found]) -> _Told | None:
    """Return what has these keys, of which the first records must have the values."""
    shapes = [shape for shape in SHAPES if shape.told and not shape.missing(names) and shape.fits(first)]
    if early := next((shape for shape in shapes if shape.format in _BEFORE_TABLES), None):
        return early
    if bundled := classification.bundled_for(names, first):
        return bundled
    if shape := next((shape for shape in shapes if shape.format != "prompts"), None):
        return shape
    return _QA if _asked(names, names) else next(iter(shapes), None)


def _family(told: _Told) -> object:
    """Return what alpaca and koalpaca, and the ways to write one format, have in common."""
    return told.convert if isinstance(told, Shape) else told.name if isinstance(told, BundledTable) else told


def _first_tried(told: Iterable[_Told]) -> _Told:
    return min(told, key=lambda each: SHAPES.index(each) if isinstance(each, Shape) else 0)


def _read_as(told: _Told, with_value: Sequence[str], names: Sequence[str], place: str) -> Reading | None:
    if isinstance(told, Shape):
        return told.reading(with_value)
    if isinstance(told, str):
        return _asked(with_value, names)
    used = frozenset({*classification.columns_of(told.template, names), *told.columns} & {*names})
    return Reading(
        told.name, classification.labelled(told.template, names, place), used, told.task, told.cluster, told.language
    )


def _asked(names: Sequence[str], also: Sequence[str]) -> Reading | None:
    """Return how a table of questions and answers is read; None when it has no such columns.

    Args:
        names: Its keys.
        also: Keys among which the context may be, which the first records may lack.

    """
    question, answer = instruction.column(names, instruction.QUESTIONS), instruction.column(names, instruction.ANSWERS)
    if not question or not answer:
        return None
    context = instruction.column(names, instruction.CONTEXTS) or instruction.column(also, instruction.CONTEXTS)
    used = frozenset({question, context, answer, "system", "url", "task"})
    return Reading(_QA, instruction.asked(question, context, answer), used, needs=((question,), (answer,)))


def _columns_reading(names: Sequence[str], first: Sequence[Found], columns: dict[str, str], place: str) -> Reading:
    if "instruction" not in columns:
        raise SourceError(
            f"{place}: format columns needs the key of the instruction; found the keys {_listed(names)}; name them, such as instruction: {names[0] if names else 'question'}"
        )
    missing = [
        f"columns.{field} {key!r}"
        for field, key in columns.items()
        if key not in names and all(stepped(found, key) is None for found in first)
    ]
    if missing:
        raise SourceError(
            f"{place} has no key for {' and '.join(missing)}; found the keys {_listed(names)}; name some of these in params.yaml"
        )
    used = {key if key in names else key.split(".")[0] for key in columns.values()}
    return Reading("columns", instruction.named_columns(columns), frozenset(used))


def _forced(names: Sequence[str], format: Format, place: str) -> Reading:
    if format == "qa":
        if asked := _asked(names, names):
            return asked
        lacks = _lacking_to_ask(names)
    else:
        shapes = [shape for shape in SHAPES if shape.format == format]
        if shape := next((shape for shape in shapes if not shape.missing(names)), None):
            return shape.reading(names)
        lacks = min((shape.missing(names) for shape in shapes), key=len)
    raise SourceError(
        f"{place} is not of format {format}: it lacks {_or(lacks)}; found the keys {_listed(names)}; correct format in params.yaml, or leave it at auto"
    )


def _lacking_to_ask(names: Sequence[str]) -> list[str]:
    """Return which of question and answer has no column, with the names it may have."""
    sides = (("a question", instruction.QUESTIONS), ("an answer", instruction.ANSWERS))
    return [f"{what} ({', '.join(known)})" for what, known in sides if not instruction.column(names, known)]


def _advice(names: Sequence[str], first: Sequence[Found]) -> str:
    """Return the nearest format and what it lacks, where a record stands within the records, and all formats."""
    parts = []
    told = [shape for shape in SHAPES if shape.told]
    near = [
        (len(shape.missing(names)), -len(shape.keys), -number)
        for number, shape in enumerate(told)
        if {*shape.keys} - {*shape.missing(names), *_TELLING_NOTHING}
    ]
    if near:
        shape = told[-min(near)[2]]
        lacks = shape.missing(names)
        parts.append(
            f"the nearest is {shape.format}, but {_or(lacks)} is missing"
            if lacks
            else f"the nearest is {shape.format}, but the values of {', '.join(shape.keys)} are not what it has"
        )
    elif len(lacks := _lacking_to_ask(names)) == 1:
        parts.append(f"the nearest is qa, but {lacks[0]} is missing")
    inner = [name for name in names if any(_is_record(found.get(name)) for found in first)]
    if inner:
        has_input = any(isinstance(value := found.get(inner[0]), dict) and "input" in value for found in first)
        fields = ("instruction", "input", "output") if has_input else ("instruction", "output")
        keys = ", ".join(f"{field}: {inner[0]}.{field}" for field in fields)
        parts.append(f"a record stands within {' and '.join(inner[:3])}: write format: columns, columns: {{{keys}}}")
    return "; ".join(
        [
            *parts,
            f"known formats: {known_formats()}; or name the keys by format: columns, or the cells of a labelled table by format: table (docs/data-formats.md)",
        ]
    )


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and {"instruction", "output"} <= set(value)


def _or(keys: Iterable[str]) -> str:
    return " and ".join(key.replace("|", " or ") for key in keys)


def _listed(names: Sequence[str]) -> str:
    return shown(", ".join(names), _SHOWN_KEYS) or "(none)"
