"""Read evaluation data, in which every row must be readable: a row that is silently left out would change the score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import classify_value, get_field_error, get_malformed_reason, is_malformed

_MAX_REPORTED: Final = 20  # errors of a file in one message


def read_rows_strict(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file like read_objects, and raise an error after the last row if any of them is unreadable.

    Args:
        path: The file.
        location: Name of the file in messages.

    Raises:
        SourceError: As in read_objects; also after the last row, with up to 20 unreadable rows.
    """
    return (row for _number, row in read_numbered_rows(path, location))


def read_numbered_rows(path: Path, location: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a file with their numbers, the first one being 1; arguments and errors as read_rows_strict."""
    errors: list[str] = []
    for number, row in enumerate(read_objects(path, location), start=1):
        if is_malformed(row):
            errors.append(str(get_malformed_reason(row)))
        elif any(map(get_field_error, row.values())):
            errors.append(_("row {row} has more cells than the header", row=number))
        elif malformed := [name for name, value in row.items() if classify_value(value) == "broken"]:
            errors.append(
                _("row {row}, {keys}: a character is truncated; write it again", row=number, keys=", ".join(malformed))
            )
        else:
            yield number, row
    if errors:
        raise SourceError(_format_errors(errors, location))


def _format_errors(errors: list[str], location: str) -> str:
    lines = [_("{path} has rows that cannot be read; repair them:", path=location), *errors[:_MAX_REPORTED]]
    if len(errors) > _MAX_REPORTED:
        lines.append(_("... and {count} more", count=len(errors) - _MAX_REPORTED))
    return "\n  ".join(lines)
