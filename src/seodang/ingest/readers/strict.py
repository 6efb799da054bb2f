"""Rows of a file of which every one must be whole: evaluation data, where a row left out unseen would change the score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import fault_of, is_broken, kind_of

_SHOWN: Final = 20  # faults told of a file


def read_whole_rows(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file as read_objects does, and end with an error if any of them was broken.

    Args:
        path: The file.
        place: Its name in messages.

    Raises:
        SourceError: As read_objects; and, behind the last row, listing all rows that cannot be read, up to 20.
    """
    faults: list[str] = []
    for number, row in enumerate(read_objects(path, place), start=1):
        if is_broken(row):
            faults.append(str(row["reason"]))
        elif any(map(fault_of, row.values())):
            faults.append(f"row {number} has more cells than the header / 열이 머리글보다 많습니다")
        elif broken := [name for name, value in row.items() if kind_of(value) == "broken"]:
            faults.append(f"row {number}, {', '.join(broken)}: a character is cut in half / 글자가 깨졌습니다")
        else:
            yield row
    if faults:
        more = [f"... and {len(faults) - _SHOWN} more / 외 {len(faults) - _SHOWN}건"] if len(faults) > _SHOWN else []
        raise SourceError(
            f"{place} has rows that cannot be read / 읽을 수 없는 행이 있습니다:\n"
            + "\n".join(f"  {fault}" for fault in (*faults[:_SHOWN], *more))
        )
