"""Rows of a file of which every one must be whole: evaluation data, where a row left out unseen would change the score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import classify_value, get_field_error, is_malformed

_MAX_REPORTED: Final = 20  # faults told of a file


def read_rows_strict(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file as read_objects does, and end with an error if any of them was broken.

    Args:
        path: The file.
        place: Its name in messages.

    Raises:
        SourceError: As read_objects; and, behind the last row, listing all rows that cannot be read, up to 20.
    """
    errors: list[str] = []
    for number, row in enumerate(read_objects(path, location), start=1):
        if is_malformed(row):
            errors.append(str(row["reason"]))
        elif any(map(get_field_error, row.values())):
            errors.append(f"row {number} has more cells than the header / 열이 머리글보다 많습니다")
        elif malformed := [name for name, value in row.items() if classify_value(value) == "broken"]:
            errors.append(f"row {number}, {', '.join(malformed)}: a character is cut in half / 글자가 깨졌습니다")
        else:
            yield row
    if errors:
        more = (
            [f"... and {len(errors) - _MAX_REPORTED} more / 외 {len(errors) - _MAX_REPORTED}건"]
            if len(errors) > _MAX_REPORTED
            else []
        )
        raise SourceError(
            f"{location} has rows that cannot be read / 읽을 수 없는 행이 있습니다:\n"
            + "\n".join(f"  {fault}" for fault in (*errors[:_MAX_REPORTED], *more))
        )
