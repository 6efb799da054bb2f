"""Show a progress bar for long work, on stderr and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

_LINE_BYTES = 700  # typical size of a record in JSON; it sets how much of a file is read to estimate its line count


def track_progress(
    items: Iterable[Item], description: str, *, total: int | None = None, file: Path | None = None
) -> Iterator[Item]:
    """Yield the items and show their count, their rate and the remaining time on a terminal.

    Args:
        items: Any iterable.
        description: Name of the work, in one or two words.
        total: Number of items; None if it is unknown.
        file: JSONL file that the items come from; its size gives an estimate of the total.

    """
    if not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm

    if total is None and file is not None and file.is_file():
        total = _estimate_line_count(file)
    yield from tqdm(
        items, desc=description, total=total, unit=" rows", unit_scale=True, leave=False, dynamic_ncols=True
    )


def _estimate_line_count(file: Path) -> int:
    """Return the estimated number of lines of a file, from the average length of its first lines."""
    with file.open("rb") as stream:
        head = stream.read(64 * _LINE_BYTES)
    lines = head.count(b"\n")
    return int(file.stat().st_size / len(head) * lines) if lines else 0
