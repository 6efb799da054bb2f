"""Turn each source in params.yaml into rows. The only code that knows the columns of record formats."""

from __future__ import annotations

import glob
import hashlib
import heapq
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from seodang.data.primer.generator import primer_records
from seodang.data.readers import Found, read_objects
from seodang.data.rows import LABEL_UNKNOWN, TEXT_MISSING, TEXTS, Row, fault, fault_of, shown
from seodang.errors import SourceError
from seodang.params import IngestParams, SourceParams, TableTemplate
from seodang.records import Language, Record, detect_language, normalise

_PEEKED = 20  # records whose keys tell the format: the first one alone may lack a key
_NESTED = 200  # brackets in a value that isn't text; more is cut, for JSON cannot write what is nested much deeper
_HASHED = 1000  # characters of a cell that choose the wording
_SHOWN_NAMES = 200
_FORMATS = "expected alpaca: instruction, output and perhaps input; or koalpaca: the same and url; or format: table with its table.text_column and table.label_column"


@dataclass(slots=True)
class Tally:
    """How many rows a source gave, counted while they stream by."""

    read: int = 0
    ignored: list[str] = field(default_factory=list)  # keys of the files that no record has a place for

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, and count them."""
        for row in rows:
            self.read += 1
            yield row


def source_files(source: SourceParams, root: Path) -> list[Path]:
    """Return the source's files in a stable order; none for the primer.

    Raises:
        SourceError: If there is no such file, or nothing matches the glob.

    """
    if source.kind == "primer" or source.path is None:
        return []
    path = root / source.path
    if path.is_dir():
        raise SourceError(f"{source.path} is a folder; write a glob of its files, such as {source.path.rstrip('/')}/*.jsonl")
    if path.exists():
        return [path]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern, and matches hidden files
    files = sorted(Path(name) for name in matches if Path(name).is_file())
    if not files:
        kind = "matches no file" if set(source.path) & set("*?[") else "does not exist"
        raise SourceError(f"{source.path} {kind}, seen from {root.resolve()}; correct the path, or fetch the file (dvc pull)")
    return files


def place_of(path: Path, root: Path) -> str:
    """Return a file's name in rows, messages and manifest: from the project's folder, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def source_rows(source: SourceParams, ingest: IngestParams, root: Path, tally: Tally) -> Iterator[Row]:
    """Yield the rows of one source, at most `source.limit`, in their order.

    Raises:
        SourceError: If the source as a whole cannot be used; one file's fault a line.

    """
    rows = _primer_rows(source, ingest) if source.kind == "primer" else _file_rows(source, ingest, root, tally)
    counted = tally.counted(rows)
    yield from counted if source.limit is None else _sampled(counted, source.limit)
    if not tally.read:
        raise SourceError(f"{source.path or 'ingest.primer'} is empty: there is no record in it; fill it, or take the source out of ingest.sources")


def _sampled(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    """Yield the `limit` rows with the smallest hashes: the same ones, wherever they stand in the file."""
    chosen = heapq.nsmallest(limit, enumerate(rows), key=lambda numbered: _digest([numbered[1][name] for name in TEXTS]))
    for _, row in sorted(chosen, key=lambda numbered: numbered[0]):
        yield row


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def _primer_rows(source: SourceParams, ingest: IngestParams) -> Iterator[Row]:
    for number, record in enumerate(primer_records(**ingest.primer.model_dump())):
        yield _row((record.instruction, record.input, record.output), source, ingest, number=number, record=record)


def _file_rows(source: SourceParams, ingest: IngestParams, root: Path, tally: Tally) -> Iterator[Row]:
    choices = tuple(dict.fromkeys(source.table.labels.values())) if source.format == "table" and source.table else ()
    faults = []
    for path in source_files(source, root):
        place = place_of(path, root)
        try:
            for number, texts in enumerate(_texts(source, read_objects(path, place), place, tally)):
                yield _row(texts, source, ingest, number=number, file=place, choices=choices)
        except SourceError as error:
            faults.append(str(error))
    if faults:
        raise SourceError("\n".join(faults))


def _texts(source: SourceParams, found: Iterator[Found], place: str, tally: Tally) -> Iterator[tuple[Any, Any, Any]]:
    """Yield instruction, input and output as they are in the file."""
    first = list(islice(found, _PEEKED))
    if not first:
        return
    names = list(dict.fromkeys(name for record in first for name in record))
    records = chain(first, found)
    del first  # else the first records, which may be large, stay in memory till the end
    if source.format == "table" and source.table:
        _check_columns(source.table, names, place)
        for record in records:
            yield _from_table(record, source.table)
        return
    if not {"instruction", "output"} <= set(names):
        raise SourceError(f"{place}: the record format is not recognised; found the keys {_listed(names)}; {_FORMATS}")
    tally.ignored = sorted({*tally.ignored, *names} - {*TEXTS, "url"})
    for record in records:
        input = record.get("input")
        yield record.get("instruction"), "" if input is None else input, record.get("output")


def _check_columns(table: TableTemplate, names: list[str], place: str) -> None:
    wanted = {"table.text_column": table.text_column, "table.label_column": table.label_column}
    if missing := [f"{parameter} {column!r}" for parameter, column in wanted.items() if column not in names]:
        raise SourceError(f"{place} has no column for {' and '.join(missing)}; its columns are {_listed(names)}; name one of these in params.yaml")


def _listed(names: list[str]) -> str:
    return shown(", ".join(names), _SHOWN_NAMES)


def _from_table(record: Found, table: TableTemplate) -> tuple[Any, Any, Any]:
    """Return a labelled row as an instruction with its answer.

    The wording hangs on text and label alone: rows that repeat these get the same
    wording and are found to be duplicates, whatever their number in the table.
    """
    text, label = record.get(table.text_column), record.get(table.label_column)
    hashed = _digest([str(text)[:_HASHED], str(label)[:_HASHED]])
    wording = table.instructions[int(hashed[:16], 16) % len(table.instructions)]
    output = label if fault_of(label) else table.labels.get(str(label).strip()) or fault(LABEL_UNKNOWN, label)
    if text is None or (isinstance(text, str) and not text.strip()):
        return wording, fault(TEXT_MISSING, text), output
    if "{text}" in wording and isinstance(text, str):
        return wording.replace("{text}", text), "", output
    return wording, text, output


def _row(
    texts: tuple[Any, Any, Any],
    source: SourceParams,
    ingest: IngestParams,
    *,
    number: int,
    record: Record | None = None,
    file: str = "",
    choices: tuple[str, ...] = (),
) -> Row:
    """Return the row under the source's names; `record` gives the primer's own task, cluster, language and choices."""
    values, oversized = _bounded(dict(zip(TEXTS, texts, strict=True)), ingest.max_field_characters)
    task = source.task or (record.task if record else source.name)
    cluster = source.cluster or (record.cluster if record else task)
    return {
        **values,
        "language": source.language or (record.language if record else _language(values)),
        "source": source.name,
        "task": task,
        "cluster": cluster,
        "choices": list(record.choices if record else choices),
        "role": source.role,
        "file": file,
        "source_row": number,
        "oversized": oversized,
    }


def _language(values: dict[str, Any]) -> Language:
    """Tell the language from instruction and input, as records do."""
    return detect_language(normalise(" ".join(value for name in ("instruction", "input") if isinstance(value := values[name], str))))


def _bounded(values: dict[str, Any], limit: int) -> tuple[dict[str, Any], list[str]]:
    """Return the values, those too long cut to their first `limit` characters, and the names of the cut ones."""
    oversized = []
    for name, value in values.items():
        text = value if isinstance(value, str) else _json(value)
        if len(text) > limit or (text is not value and text.count("[") + text.count("{") > _NESTED):
            values[name] = text[:limit]
            oversized.append(name)
    return values, oversized


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "[" * (_NESTED + 1)
