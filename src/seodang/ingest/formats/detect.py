"""Detect the record format of a file by the keys with values in its first records, or use the forced format.

Each of the first records votes for the format of its own keys, and the majority decides. In a tie, the format of the
earlier record wins. A key with a null, NaN or empty value does not count, as a table has a cell for each column in each
row. Records without an answer (`prompts`) count only if no other format is detected. If no record has a known format,
the keys of all first records count together.

A record is read by the format of its file. The exceptions are a record with KTO's label, and one that lacks the keys of
that format and has all keys of another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from seodang.config import TableTemplate
from seodang.config.record_formats import QA, Format
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.formats import classification
from seodang.ingest.formats.advice import format_advice, format_names
from seodang.ingest.formats.classification import BundledTable
from seodang.ingest.formats.forced import build_forced_reader, build_qa_reader
from seodang.ingest.formats.record_marks import is_prodigy_answer
from seodang.ingest.formats.registry import FORMAT_SPECS, FormatSpec, RecordReader
from seodang.ingest.formats.sample import RawRecord
from seodang.ingest.formats.verdicts import parse_verdict
from seodang.ingest.readers.by_column import reject_lists_in_row

_Match = FormatSpec | BundledTable | Format  # Format: QA


def detect_reader(
    names: Sequence[str],
    first: Sequence[RawRecord],
    *,
    format: str,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    location: str,
) -> RecordReader:
    """Return the reader of a file.

    Args:
        names: All keys of the first records.
        first: First records of the file.
        format: "auto", or the name of a forced format.
        columns: Keys by field, for format columns.
        table: Template, for format table.
        location: Name of the file in messages.

    Raises:
        SourceError: If the format is unknown, or the file lacks keys of the forced format.

    """
    if format != "auto":
        return build_forced_reader(names, first, format=format, columns=columns, table=table, location=location)
    reader = _detect_by_majority(names, first, location)
    if len(first) == 1 and (reader is None or reader.format is None or not reader.format.holds_lists):
        reject_lists_in_row(first[0], location)
    if reader is None:
        raise SourceError(
            _(
                "{path}: the record format is unknown; found the keys {keys}; {advice}",
                path=location,
                keys=format_names(names),
                advice=format_advice(names, first, location),
            )
        )
    return reader


def select_reader(record: RawRecord, file_reader: RecordReader) -> RecordReader:
    """Return the reader of one record: the file's, or that of the record's own format (see the module docstring)."""
    if file_reader.format is not None and file_reader.format.accepts_kto_label and _has_kto_label(record):
        return _select_own_reader(record, [spec for spec in FORMAT_SPECS if spec.format.labels_answers], file_reader)
    if all(any(_has_value(record.get(name)) for name in names) for names in file_reader.required_keys):
        return file_reader
    return _select_own_reader(record, FORMAT_SPECS, file_reader)


def _select_own_reader(record: RawRecord, specs: Sequence[FormatSpec], file_reader: RecordReader) -> RecordReader:
    """Return the reader of the first spec whose keys the record has; the file's if that one uses all these keys."""
    names = _list_filled_keys(record)
    for spec in specs:
        if _is_match(spec, names, [record]) and spec.format.has_answers:
            is_covered = {*names} & spec.collect_key_names() <= file_reader.used_keys
            return file_reader if is_covered else spec.build_reader(names)
    qa_reader = build_qa_reader(names, names)
    is_disjoint = (
        qa_reader is not None and not {name for key in qa_reader.required_keys for name in key} & file_reader.used_keys
    )
    return qa_reader if qa_reader is not None and is_disjoint else file_reader


def _has_kto_label(record: RawRecord) -> bool:
    """Return whether a record has KTO's label; a number may be a class in a file that was not detected as KTO."""
    label = record.get("label")
    is_verdict = isinstance(label, bool) or (
        isinstance(label, str) and not label.strip().isdigit() and parse_verdict(label) is not None
    )
    return record.get("kto_tag") is not None or is_verdict


def _has_value(value: object) -> bool:
    """Return whether a value is neither null nor NaN nor an empty text, list or object."""
    return value is not None and value != "" and value == value and value != [] and value != {}


def _list_filled_keys(record: RawRecord) -> tuple[str, ...]:
    """Return the keys with a value; Prodigy's `answer` is a verdict, not a text."""
    hidden = "answer" if is_prodigy_answer(record) else None
    return tuple(name for name, value in record.items() if _has_value(value) and name != hidden)


def _detect_by_majority(names: Sequence[str], first: Sequence[RawRecord], location: str) -> RecordReader | None:
    """Return the reader of the majority of the first records; of all their keys together if none has a known format."""
    counts = Counter(_list_filled_keys(record) for record in first)  # in the order of the records
    matches = {keys: match for keys in counts if (match := _match_format(keys, first))}
    if not matches:
        all_keys = list(dict.fromkeys(name for keys in counts for name in keys))
        return next(
            (
                _build_reader(match, keys, names, location)
                for keys in (all_keys, names)
                if (match := _match_format(keys, first))
            ),
            None,
        )
    with_answers = {keys: match for keys, match in matches.items() if _has_answers(match)}
    votes: Counter[object] = Counter()
    for keys, match in (with_answers or matches).items():
        votes[_get_family(match)] += counts[keys]
    winner = votes.most_common(1)[0][0]  # the first one in a tie
    winners = {keys: match for keys, match in matches.items() if _get_family(match) == winner}
    return _build_reader(_select_first(winners.values()), [name for keys in winners for name in keys], names, location)


def _match_format(names: Sequence[str], first: Sequence[RawRecord]) -> _Match | None:
    """Return the format or bundled table with these keys, whose conditions the values of the first records meet."""
    specs = [spec for spec in FORMAT_SPECS if _is_match(spec, names, first)]
    if early := next((spec for spec in specs if spec.format.precedes_tables), None):
        return early
    if bundled := classification.find_bundled_table(names, first):
        return bundled
    if spec := next((spec for spec in specs if spec.format.has_answers), None):
        return spec
    return QA if build_qa_reader(names, names) else next(iter(specs), None)


def _is_match(spec: FormatSpec, names: Sequence[str], records: Sequence[RawRecord]) -> bool:
    return spec.is_detectable and not spec.find_missing_keys(names) and spec.matches(records)


def _has_answers(match: _Match) -> bool:
    return not isinstance(match, FormatSpec) or match.format.has_answers


def _get_family(match: _Match) -> object:
    """Return a value that is equal for alpaca and koalpaca, and for all specs of one format."""
    return match.convert if isinstance(match, FormatSpec) else match.name


def _select_first(matches: Iterable[_Match]) -> _Match:
    return min(matches, key=lambda match: FORMAT_SPECS.index(match) if isinstance(match, FormatSpec) else 0)


def _build_reader(
    match: _Match, filled_keys: Sequence[str], names: Sequence[str], location: str
) -> RecordReader | None:
    if isinstance(match, FormatSpec):
        return match.build_reader(filled_keys)
    if isinstance(match, Format):
        return build_qa_reader(filled_keys, names)
    used = frozenset({*classification.find_columns(match.template, names), *match.columns} & {*names})
    return RecordReader(
        match.name,
        classification.build_table_converter(match.template, names, location),
        used,
        match.task,
        match.cluster,
        match.language,
    )
