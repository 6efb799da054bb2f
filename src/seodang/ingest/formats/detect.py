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
from seodang.ingest.formats.registry import FORMAT_SPECS, FormatSpec, RecordReader, describe_formats
from seodang.ingest.formats.sample import RawRecord, get_nested
from seodang.ingest.readers.by_column import find_column_orient_error
from seodang.ingest.rows import shorten

_MAX_KEY_CHARACTERS: Final = 400  # characters of all keys in a message
_GENERIC_KEYS: Final = (
    "label",
    "context|category",
    "category",
    "text",
)  # keys that any file may have: they bring it near to no format
_BEFORE_TABLES: Final = frozenset({"preference", "kto", "messages", "sharegpt", "dialogue", "self-instruct"})
_LIST_FORMATS: Final = frozenset(
    {"dialogue", "messages", "sharegpt", "self-instruct"}
)  # formats one record of which may look like a table by column
_KTO_COMPATIBLE: Final = frozenset({"messages", "sharegpt", "alpaca", "koalpaca", "qa"})  # that KTO's are with a label
_QA: Final = "qa"

_Match = FormatSpec | BundledTable | str  # _QA


def detect_reader(
    names: Sequence[str],
    first: Sequence[RawRecord],
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    location: str,
) -> RecordReader:
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
        return _build_columns_reader(names, first, columns or {}, location)
    if format == "table":
        if table is None:
            raise SourceError(
                f"{location}: format table needs a template that says how a row of cells becomes an instruction (docs/data-formats.md)"
            )
        return RecordReader(
            "table",
            classification.build_table_converter(table, names, location),
            frozenset(classification.find_columns(table, names)),
        )
    if format != "auto":
        return _build_forced_reader(names, format, location)
    reader = _detect_by_majority(names, first, location)
    if (
        len(first) == 1
        and (reader is None or reader.name not in _LIST_FORMATS)
        and (reason := find_column_orient_error(first[0]))
    ):
        raise SourceError(f"{location} {reason}")
    if reader is None:
        raise SourceError(
            f"{location}: the record format is not recognised; found the keys {_format_names(names)}; {_format_advice(names, first)}"
        )
    return reader


def select_reader(record: RawRecord, file_reader: RecordReader) -> RecordReader:
    """Return how one record of a file is read whose format was recognised: as the file, or by its own format (see above)."""
    if file_reader.name in _KTO_COMPATIBLE and _has_kto_label(record):
        return _select_own_reader(record, [shape for shape in FORMAT_SPECS if shape.format == "kto"], file_reader)
    if all(any(_has_value(record.get(name)) for name in names) for names in file_reader.required_keys):
        return file_reader
    return _select_own_reader(record, FORMAT_SPECS, file_reader)


def _select_own_reader(record: RawRecord, specs: Sequence[FormatSpec], file_reader: RecordReader) -> RecordReader:
    """Return the reading of the first shape whose keys the record has; the file's when it only lacks some keys of that."""
    names = _list_filled_keys(record)
    for spec in specs:
        if (
            spec.is_detectable
            and spec.format != "prompts"
            and not spec.find_missing_keys(names)
            and spec.matches([record])
        ):
            return (
                file_reader
                if {*names} & spec.collect_key_names() <= file_reader.used_keys
                else spec.build_reader(names)
            )
    qa_reader = _build_qa_reader(names, names)
    is_disjoint = (
        qa_reader is not None and not {name for key in qa_reader.required_keys for name in key} & file_reader.used_keys
    )
    return qa_reader if qa_reader is not None and is_disjoint else file_reader


def _has_kto_label(record: RawRecord) -> bool:
    label = record.get("label")
    return (
        record.get("kto_tag") is not None
        or isinstance(label, bool)
        or (isinstance(label, str) and label.strip().lower() in ("true", "false"))
    )


def _has_value(value: object) -> bool:
    """Tell whether a key has a value: neither null nor NaN, no empty text, list or object."""
    return value is not None and value != "" and value == value and value != [] and value != {}


def _list_filled_keys(record: RawRecord) -> tuple[str, ...]:
    return tuple(name for name, value in record.items() if _has_value(value))


def _detect_by_majority(names: Sequence[str], first: Sequence[RawRecord], location: str) -> RecordReader | None:
    """Return how most of the first records are read; how they are together when none can be told."""
    records = Counter(_list_filled_keys(found) for found in first)  # in their order
    matches = {own: each for own in records if (each := _match_format(own, first))}
    if not matches:
        all_keys = list(dict.fromkeys(name for own in records for name in own))
        return next(
            (
                _build_reader(each, its, names, location)
                for its in (all_keys, names)
                if (each := _match_format(its, first))
            ),
            None,
        )
    with_answers = {
        own: each for own, each in matches.items() if not (isinstance(each, FormatSpec) and each.format == "prompts")
    }
    votes: Counter[object] = Counter()
    for own, each in (with_answers or matches).items():
        votes[_get_family(each)] += records[own]
    winner = votes.most_common(1)[0][0]  # the first of equals
    winners = {own: each for own, each in matches.items() if _get_family(each) == winner}
    return _build_reader(_select_first(winners.values()), [name for own in winners for name in own], names, location)


def _match_format(names: Sequence[str], first: Sequence[RawRecord]) -> _Match | None:
    """Return what has these keys, of which the first records must have the values."""
    specs = [
        shape
        for shape in FORMAT_SPECS
        if shape.is_detectable and not shape.find_missing_keys(names) and shape.matches(first)
    ]
    if early := next((shape for shape in specs if shape.format in _BEFORE_TABLES), None):
        return early
    if bundled := classification.find_bundled_table(names, first):
        return bundled
    if spec := next((shape for shape in specs if shape.format != "prompts"), None):
        return spec
    return _QA if _build_qa_reader(names, names) else next(iter(specs), None)


def _get_family(match: _Match) -> object:
    """Return what alpaca and koalpaca, and the ways to write one format, have in common."""
    return match.convert if isinstance(match, FormatSpec) else match.name if isinstance(match, BundledTable) else match


def _select_first(matches: Iterable[_Match]) -> _Match:
    return min(matches, key=lambda each: FORMAT_SPECS.index(each) if isinstance(each, FormatSpec) else 0)


def _build_reader(
    match: _Match, filled_keys: Sequence[str], names: Sequence[str], location: str
) -> RecordReader | None:
    if isinstance(match, FormatSpec):
        return match.build_reader(filled_keys)
    if isinstance(match, str):
        return _build_qa_reader(filled_keys, names)
    used = frozenset({*classification.find_columns(match.template, names), *match.columns} & {*names})
    return RecordReader(
        match.name,
        classification.build_table_converter(match.template, names, location),
        used,
        match.task,
        match.cluster,
        match.language,
    )


def _build_qa_reader(names: Sequence[str], context_names: Sequence[str]) -> RecordReader | None:
    """Return how a table of questions and answers is read; None when it has no such columns.

    Args:
        names: Its keys.
        also: Keys among which the context may be, which the first records may lack.

    """
    question, answer = (
        instruction.find_column(names, instruction.QUESTIONS),
        instruction.find_column(names, instruction.ANSWERS),
    )
    if not question or not answer:
        return None
    context = instruction.find_column(names, instruction.CONTEXTS) or instruction.find_column(
        context_names, instruction.CONTEXTS
    )
    used = frozenset({question, context, answer, "system", "url", "task"})
    return RecordReader(
        _QA, instruction.build_qa_converter(question, context, answer), used, required_keys=((question,), (answer,))
    )


def _build_columns_reader(
    names: Sequence[str], first: Sequence[RawRecord], columns: dict[str, str], location: str
) -> RecordReader:
    if "instruction" not in columns:
        raise SourceError(
            f"{location}: format columns needs the key of the instruction; found the keys {_format_names(names)}; name them, such as instruction: {names[0] if names else 'question'}"
        )
    missing = [
        f"columns.{field} {key!r}"
        for field, key in columns.items()
        if key not in names and all(get_nested(found, key) is None for found in first)
    ]
    if missing:
        raise SourceError(
            f"{location} has no key for {' and '.join(missing)}; found the keys {_format_names(names)}; name some of these in params.yaml"
        )
    used = {key if key in names else key.split(".")[0] for key in columns.values()}
    return RecordReader("columns", instruction.build_columns_converter(columns), frozenset(used))


def _build_forced_reader(names: Sequence[str], format: Format, location: str) -> RecordReader:
    if format == "qa":
        if qa_reader := _build_qa_reader(names, names):
            return qa_reader
        missing = _find_missing_qa_columns(names)
    else:
        specs = [shape for shape in FORMAT_SPECS if shape.format == format]
        if spec := next((shape for shape in specs if not shape.find_missing_keys(names)), None):
            return spec.build_reader(names)
        missing = min((shape.find_missing_keys(names) for shape in specs), key=len)
    raise SourceError(
        f"{location} is not of format {format}: it lacks {_join_keys(missing)}; found the keys {_format_names(names)}; correct format in params.yaml, or leave it at auto"
    )


def _find_missing_qa_columns(names: Sequence[str]) -> list[str]:
    """Return which of question and answer has no column, with the names it may have."""
    sides = (("a question", instruction.QUESTIONS), ("an answer", instruction.ANSWERS))
    return [f"{what} ({', '.join(known)})" for what, known in sides if not instruction.find_column(names, known)]


def _format_advice(names: Sequence[str], first: Sequence[RawRecord]) -> str:
    """Return the nearest format and what it lacks, where a record stands within the records, and all formats."""
    parts = []
    specs = [shape for shape in FORMAT_SPECS if shape.is_detectable]
    candidates = [
        (len(shape.find_missing_keys(names)), -len(shape.keys), -number)
        for number, shape in enumerate(specs)
        if {*shape.keys} - {*shape.find_missing_keys(names), *_GENERIC_KEYS}
    ]
    if candidates:
        shape = specs[-min(candidates)[2]]
        missing = shape.find_missing_keys(names)
        parts.append(
            f"the nearest is {shape.format}, but {_join_keys(missing)} is missing"
            if missing
            else f"the nearest is {shape.format}, but the values of {', '.join(shape.keys)} are not what it has"
        )
    elif len(missing := _find_missing_qa_columns(names)) == 1:
        parts.append(f"the nearest is qa, but {missing[0]} is missing")
    nested_names = [name for name in names if any(_is_record(found.get(name)) for found in first)]
    if nested_names:
        has_input = any(isinstance(value := found.get(nested_names[0]), dict) and "input" in value for found in first)
        fields = ("instruction", "input", "output") if has_input else ("instruction", "output")
        keys = ", ".join(f"{field}: {nested_names[0]}.{field}" for field in fields)
        parts.append(
            f"a record stands within {' and '.join(nested_names[:3])}: write format: columns, columns: {{{keys}}}"
        )
    return "; ".join(
        [
            *parts,
            f"known formats: {describe_formats()}; or name the keys by format: columns, or the cells of a labelled table by format: table (docs/data-formats.md)",
        ]
    )


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and {"instruction", "output"} <= set(value)


def _join_keys(keys: Iterable[str]) -> str:
    return " and ".join(key.replace("|", " or ") for key in keys)


def _format_names(names: Sequence[str]) -> str:
    return shorten(", ".join(names), _MAX_KEY_CHARACTERS) or "(none)"
