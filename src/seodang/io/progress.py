"""Progress bars on long work: on a terminal only, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

_LINE_BYTES = 700  # of a record in JSON, for the guess of how many a file has


def track_progress(
    items: Iterable[Item], description: str, *, total: int | None = None, file: Path | None = None
) -> Iterator[Item]:
    """Yield the items; a terminal sees how many, how fast and how long yet.

    Args:
        items: Anything that streams.
        doing: What is being done, in a word or two.
        total: Number of items where it is known.
        file: The JSONL file that they come from; its size gives a guess of the total.

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
    """Return the number of lines that a file has if all are as long as its first ones."""
    with file.open("rb") as stream:
        head = stream.read(64 * _LINE_BYTES)
    lines = head.count(b"\n")
    return int(file.stat().st_size / len(head) * lines) if lines else 0
