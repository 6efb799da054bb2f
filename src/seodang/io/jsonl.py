"""Read and write JSON and JSONL files: atomic, in UTF-8, with Korean unescaped."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import encode_text, remove_stale_parts, write_atomically
from seodang.io.named_file import flush_to_disk, open_named
from seodang.records import Record, Turn

SCHEMA_VERSION = 1
_NAMES = tuple(field.name for field in fields(Record))
_FIELDS = frozenset(_NAMES)
_SURROGATE = re.compile("[\\ud800-\\udfff]")


def format_json_line(row: dict[str, Any], *, allow_nan: bool = False) -> str:
    """Return one line of JSON; lone surrogates are escaped, so that the line is valid UTF-8.

    Args:
        row: Any JSON values.
        allow_nan: Whether NaN and infinities stay as they are, which only Python reads. Otherwise they become text.
    """
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=allow_nan)
    except ValueError:
        text = json.dumps(_replace_non_finite(row), ensure_ascii=False)
    return (text if text.isascii() or not _SURROGATE.search(text) else json.dumps(json.loads(text))) + "\n"


def _replace_non_finite(value: Any) -> Any:
    """Return the value with NaN and infinities replaced by their names."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {key: _replace_non_finite(part) for key, part in value.items()}
        case list() | tuple():
            return [_replace_non_finite(part) for part in value]
        case _:
            return value


class Writer:
    """Write one JSON object per line to a temporary file that replaces the target when the block succeeds."""

    def __init__(self, path: Path, *, allow_nan: bool = False) -> None:
        """Open the temporary file beside `path`; `allow_nan` as in format_json_line."""
        self._path = path
        self._allow_nan = allow_nan
        self._temp_path = path.with_name(f".{path.name}.{os.getpid()}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_stale_parts(path)
        self._file = open_named(self._temp_path, "wb", path)
        self._keep = True

    def write(self, row: dict[str, Any]) -> None:
        """Write one object as a line."""
        self.write_line(format_json_line(row, allow_nan=self._allow_nan))

    def write_line(self, line: str) -> None:
        """Write one line that is already formatted."""
        self._file.write(encode_text(line))

    def discard(self) -> None:
        """Delete the temporary file at the end of the block and leave the target as it was."""
        self._keep = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            with self._file:  # a full disk may be noticed only here
                flush_to_disk(self._file, self._path)
            if kind is None and self._keep:
                self._temp_path.replace(self._path)
        finally:
            self._temp_path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one report with the current schema version."""
    text = json.dumps({"schema": SCHEMA_VERSION, **content}, ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(path, [text, "\n"])


def read_json(path: Path) -> dict[str, Any]:
    """Read a report.

    Raises:
        ArtifactError: If it is missing or damaged; the message names the stage to run.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(_format_read_error(path, error)) from error
    return content


def _format_read_error(path: Path, error: Exception) -> str:
    if not _is_artifact(path):
        return _("{path} cannot be read ({reason})", path=path, reason=error)
    return _(
        "{path} cannot be read ({reason}); run: dvc repro {stage}", path=path, reason=error, stage=path.parent.name
    )


def _format_line_error(path: Path, line: int, error: Exception) -> str:
    if not _is_artifact(path):
        return _("{path}, line {line}: {reason}; restore the file, or delete it", path=path, line=line, reason=error)
    return _(
        "{path}, line {line}: {reason}; run: dvc repro --force {stage}",
        path=path,
        line=line,
        reason=error,
        stage=path.parent.name,
    )


def _is_artifact(path: Path) -> bool:
    """Return whether a stage wrote a file: only then its folder has the name of a stage."""
    return path.parent.parent.name == "artifacts"


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, for read_rows."""
    write_atomically(path, (format_json_line(row, allow_nan=True) for row in rows))


def read_lines(path: Path) -> Iterator[str]:
    """Yield the unparsed lines of a JSONL file that an earlier stage wrote.

    Raises:
        ArtifactError: If it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            yield from file
    except OSError as error:
        raise ArtifactError(_format_read_error(path, error)) from error


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file that an earlier stage wrote.

    Raises:
        ArtifactError: If it is missing or damaged; the message names the line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ArtifactError(_format_line_error(path, number, error)) from error
        yield row


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write one record per line."""
    write_rows(path, (serialize_record(record) for record in records))


def serialize_record(record: Record) -> dict[str, Any]:
    """Return the fields of a record as a row; faster than asdict, which copies every value."""
    row = {name: getattr(record, name) for name in _NAMES}
    row["turns"] = [serialize_turn(turn) for turn in record.turns]
    return row


def serialize_turn(turn: Turn) -> dict[str, Any]:
    """Return the fields of a turn; `learned` only if it is false, which is rare."""
    fields: dict[str, Any] = {"role": turn.role, "content": turn.content}
    return fields if turn.learned else {**fields, "learned": False}


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file that an earlier stage wrote.

    Raises:
        ArtifactError: If the file is missing or damaged, or a row has other fields than a record.
    """
    for row in read_rows(path):
        if set(row) != _FIELDS:
            raise ArtifactError(
                _(
                    "{path}: a row has the fields {fields}, expected {expected}; run: dvc repro --force {stage}",
                    path=path,
                    fields=sorted(row),
                    expected=sorted(_FIELDS),
                    stage=path.parent.name,
                )
            )
        yield parse_record(row)


def parse_record(row: dict[str, Any]) -> Record:
    """Return the record that a row holds."""
    tuples = {name: tuple(row[name]) for name in ("choices", "warnings", "repairs")}
    return Record(**{**row, **tuples, "turns": tuple(Turn(**turn) for turn in row["turns"])})
