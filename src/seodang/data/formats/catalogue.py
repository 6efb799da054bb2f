"""Which record formats there are, and which one a file has: told by the keys of its first records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.data.formats import conversation, judged, labelled, plain
from seodang.data.formats.sample import Convert, Found, Sample, stepped
from seodang.data.rows import shown
from seodang.errors import SourceError
from seodang.params import Format, TableTemplate
from seodang.records import Language

_SHOWN_KEYS = 400  # characters of all keys in a message
_TELLING_NOTHING = ("label", "context|category", "category", "text")  # keys that any file may have: they bring it near to no format


@dataclass(frozen=True, slots=True)
class Reading:
    """How the records of one file are read."""

    name: str  # of the format, or of the shipped template
    convert: Convert
    used: frozenset[str]  # keys that a record has a place for
    task: str = ""  # of the shipped template, as are the next two
    cluster: str = ""
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """One way in which a format is written. "a|b" stands for either key."""

    format: Format
    keys: tuple[str, ...]  # that some of the first records have
    convert: Callable[[Sequence[str]], Convert]  # from the file's keys
    also: tuple[str, ...] = ()  # keys that are used where they are there
    fits: Callable[[Sequence[Found]], bool] = lambda _: True  # what values must be for the format to be recognised
    told: bool = True  # recognised without being told; the others must be forced

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the keys that a file lacks."""
        return [key for key in self.keys if not any(name in names for name in key.split("|"))]


def _same(convert: Convert) -> Callable[[Sequence[str]], Convert]:
    return lambda _: convert


def _conversation(*keys: str) -> Callable[[Sequence[str]], Convert]:
    """Return what reads the conversation under the first of these keys that a file has."""

    def choose(names: Sequence[str]) -> Convert:
        key = next((key for key in keys if key in names), keys[0])
        return lambda found: (conversation.from_messages(found, key),)

    return choose


def _marked(choose: Callable[[Sequence[str]], Convert]) -> Callable[[Sequence[str]], Convert]:
    def chosen(names: Sequence[str]) -> Convert:
        convert = choose(names)
        return lambda found: judged.marked(found, convert(found))

    return chosen


def _says_yes_or_no(key: str, words: tuple[str, ...] = ("true", "false")) -> Callable[[Sequence[Found]], bool]:
    def fits(first: Sequence[Found]) -> bool:
        labels = [found[key] for found in first if found.get(key) is not None]
        return bool(labels) and all(isinstance(label, bool | int | str) and str(label).strip().lower() in words for label in labels)

    return fits


def _lists(*keys: str) -> Callable[[Sequence[Found]], bool]:
    return lambda first: any(all(isinstance(found.get(key), list) for key in keys) for found in first)


def _lists_of_questions(first: Sequence[Found]) -> bool:
    return any(isinstance(turns := found.get("turns"), list) and all(isinstance(turn, str) for turn in turns) for found in first)


_ALPACA = _same(plain.alpaca)
_DOLLY = _same(plain.dolly)
_PROMPTS = _same(plain.prompts)
_TALK = _conversation("messages", "conversations", "conversation")
_BESIDE = ("system", "tools", "functions", "url", "task")
_ALPACA_ALSO = ("input", "system", "history", "url", "task")

# In the order in which they are tried: what needs more stands before what needs less.
SHAPES: tuple[Shape, ...] = (
    Shape("preference", ("chosen", "rejected"), _same(judged.pair), ("conversations", "messages", "prompt", "instruction", "question", "query", *_BESIDE, "input", "history")),
    Shape("preference", ("chosen_messages", "rejected_messages"), _same(judged.pair), _BESIDE),
    Shape("kto", ("messages|conversations", "kto_tag"), _marked(_TALK), _BESIDE),
    Shape("kto", ("messages|conversations", "label"), _marked(_TALK), _BESIDE, fits=_says_yes_or_no("label")),
    Shape("kto", ("instruction", "output", "kto_tag"), _marked(_ALPACA), _ALPACA_ALSO),
    Shape("kto", ("prompt", "completion", "label"), _marked(plain.asked), ("system", "url", "task"), fits=_says_yes_or_no("label", ("true", "false", "1", "0"))),
    Shape("messages", ("messages",), _TALK, _BESIDE),
    Shape("sharegpt", ("conversations|conversation",), _conversation("conversations", "conversation"), _BESIDE),
    Shape("sharegpt", ("messages",), _TALK, _BESIDE, told=False),
    Shape("messages", ("conversations|conversation",), _TALK, _BESIDE, told=False),
    Shape("dialogue", ("questions", "outputs"), _same(lambda found: (conversation.from_lists(found),)), ("category",), fits=_lists("questions", "outputs")),
    Shape("dialogue", ("questions", "answers"), _same(lambda found: (conversation.from_lists(found),)), ("category",), fits=_lists("questions", "answers")),
    Shape("self-instruct", ("instruction", "instances"), _same(plain.instances)),
    Shape("dolly", ("instruction", "response", "context|category"), _DOLLY, ("context", "category", "url")),
    Shape("dolly", ("instruction", "output", "category"), _DOLLY, ("input", "context", "url")),
    Shape("koalpaca", ("instruction", "output", "url"), _ALPACA, _ALPACA_ALSO),
    Shape("alpaca", ("instruction", "output"), _ALPACA, _ALPACA_ALSO),
    Shape("koalpaca", ("instruction", "output"), _ALPACA, _ALPACA_ALSO, told=False),
    Shape("dolly", ("instruction", "response"), _DOLLY, ("context", "category", "url"), told=False),
    Shape("prompts", ("turns",), _PROMPTS, ("category",), fits=_lists_of_questions),
    Shape("prompts", ("question_id", "text"), _PROMPTS, ("category",)),
    Shape("prompts", ("prompt",), _PROMPTS, ("category",)),
    Shape("prompts", ("text|turns",), _PROMPTS, ("category",), told=False),
)
_BEFORE_TABLES = frozenset({"preference", "kto", "messages", "sharegpt", "dialogue", "self-instruct"})


def reading(names: Sequence[str], first: Sequence[Found], *, format: Format, columns: dict[str, str] | None, table: TableTemplate | None, place: str) -> Reading:
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
            raise SourceError(f"{place}: format table needs a template that says how a row of cells becomes an instruction (docs/data-formats.md)")
        return Reading("table", labelled.labelled(table, names, place), frozenset(labelled.columns_of(table, names)))
    if format != "auto":
        return _forced(names, format, place)
    recognised = _recognised(names, first, place)
    if recognised is None:
        raise SourceError(f"{place}: the record format is not recognised; found the keys {_listed(names)}; {_advice(names, first)}")
    return recognised


def _recognised(names: Sequence[str], first: Sequence[Found], place: str) -> Reading | None:
    shapes = [shape for shape in SHAPES if shape.told and not shape.missing(names) and shape.fits(first)]
    early = next((shape for shape in shapes if shape.format in _BEFORE_TABLES), None)
    if early is None and (bundled := labelled.bundled_for(names, first)):
        used = frozenset({*labelled.columns_of(bundled.template, names), *bundled.columns} & {*names})
        return Reading(bundled.name, labelled.labelled(bundled.template, names, place), used, bundled.task, bundled.cluster, bundled.language)
    plain_shape = next((shape for shape in shapes if shape.format != "prompts"), None)
    if shape := early or plain_shape:
        return _read_as(shape, names)
    return _asked(names) or next((_read_as(shape, names) for shape in shapes), None)


def _read_as(shape: Shape, names: Sequence[str]) -> Reading:
    used = {name for key in shape.keys for name in key.split("|")} | set(shape.also)
    return Reading(shape.format, shape.convert(names), frozenset(used))


def _asked(names: Sequence[str]) -> Reading | None:
    """Return how a table of questions and answers is read; None when it has no such columns."""
    found = [plain.column(names, known) for known in (plain.QUESTIONS, plain.CONTEXTS, plain.ANSWERS)]
    return Reading("qa", plain.asked(names), frozenset({*found, "system", "url", "task"})) if found[0] and found[2] else None


def _columns_reading(names: Sequence[str], first: Sequence[Found], columns: dict[str, str], place: str) -> Reading:
    if "instruction" not in columns:
        raise SourceError(
            f"{place}: format columns needs the key of the instruction; found the keys {_listed(names)}; name them, such as instruction: {names[0] if names else 'question'}"
        )
    missing = [f"columns.{field} {key!r}" for field, key in columns.items() if key not in names and all(stepped(found, key) is None for found in first)]
    if missing:
        raise SourceError(f"{place} has no key for {' and '.join(missing)}; found the keys {_listed(names)}; name some of these in params.yaml")
    used = {key if key in names else key.split(".")[0] for key in columns.values()}
    return Reading("columns", plain.named_columns(columns), frozenset(used))


def _forced(names: Sequence[str], format: Format, place: str) -> Reading:
    if format == "qa":
        if asked := _asked(names):
            return asked
        lacks = _lacking_to_ask(names)
    else:
        shapes = [shape for shape in SHAPES if shape.format == format]
        if shape := next((shape for shape in shapes if not shape.missing(names)), None):
            return _read_as(shape, names)
        lacks = min((shape.missing(names) for shape in shapes), key=len)
    raise SourceError(f"{place} is not of format {format}: it lacks {_or(lacks)}; found the keys {_listed(names)}; correct format in params.yaml, or leave it at auto")


def _lacking_to_ask(names: Sequence[str]) -> list[str]:
    """Return which of question and answer has no column, with the names it may have."""
    sides = (("a question", plain.QUESTIONS), ("an answer", plain.ANSWERS))
    return [f"{what} ({', '.join(known)})" for what, known in sides if not plain.column(names, known)]


def _advice(names: Sequence[str], first: Sequence[Found]) -> str:
    """Return the nearest format and what it lacks, where a record stands within the records, and all formats."""
    parts = []
    told = [shape for shape in SHAPES if shape.told]
    near = [(len(shape.missing(names)), -len(shape.keys), -number) for number, shape in enumerate(told) if {*shape.keys} - {*shape.missing(names), *_TELLING_NOTHING}]
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
        keys = ", ".join(f"{field}: {inner[0]}.{field}" for field in ("instruction", "output"))
        parts.append(f"a record stands within {' and '.join(inner[:3])}: write format: columns, columns: {{{keys}}}")
    return "; ".join([*parts, f"known formats: {known_formats()}; or name the keys by format: columns, or the cells of a labelled table by format: table (docs/data-formats.md)"])


def _is_record(value: Any) -> bool:  # noqa: ANN401 - whatever stands in the file
    return isinstance(value, dict) and {"instruction", "output"} <= set(value)


def known_formats() -> str:
    """Return all formats with their keys, for messages."""
    keys: dict[str, str] = {}
    for shape in SHAPES:
        if shape.told:
            keys.setdefault(shape.format, " + ".join(shape.keys).replace("|", "/"))
    tables = " ".join(table.name for table in labelled.bundled_tables())
    return ", ".join([*(f"{format} ({each})" for format, each in keys.items()), "qa (question + answer)", f"the tables {tables}"])


def _or(keys: Iterable[str]) -> str:
    return " and ".join(key.replace("|", " or ") for key in keys)


def _listed(names: Sequence[str]) -> str:
    return shown(", ".join(names), _SHOWN_KEYS) or "(none)"


__all__ = ["SHAPES", "Reading", "Sample", "Shape", "known_formats", "reading"]
