"""Append-only result log; an interrupted evaluation resumes from it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from seodang.i18n import ngettext
from seodang.io.jsonl import SCHEMA_VERSION, format_json_line
from seodang.io.named_file import flush_to_disk, open_named

logger = logging.getLogger(__name__)

# Between two calls of fsync. A killed process loses nothing; a power failure loses at most the results of this time.
_SYNC_SECONDS = 1.0


class ResultLog:
    """JSON objects, one per line, below a header with the fingerprint of the evaluation.

    Opening with the same fingerprint restores earlier rows up to the first incomplete line. Another fingerprint clears
    the file. One process writes it at a time.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Open the file.

        Args:
            path: Created with its folder where it does not exist.
            fingerprint: Of everything that the results depend on: items, prompts, weights, settings.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        header = format_json_line({"schema": SCHEMA_VERSION, "fingerprint": fingerprint}).encode()
        self.rows, size = parse_complete_rows(path.read_bytes() if path.exists() else b"", header)
        """Results of earlier runs, in order."""
        self._file = open_named(path, "r+b" if size else "wb")
        if not size:
            self._file.write(header)
        self._file.seek(size or len(header))
        self._file.truncate()
        self._sync()

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows; they reach the operating system in one write."""
        self._file.write(
            "".join(format_json_line(row, allow_nan=True) for row in rows).encode("utf-8", "surrogatepass")
        )
        self._file.flush()
        if time.monotonic() - self._last_sync > _SYNC_SECONDS:
            self._sync()

    def close(self) -> None:
        """Flush the file to the disk and close it."""
        if not self._file.closed:
            self._sync()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sync(self) -> None:
        flush_to_disk(self._file, self.path)
        self._last_sync = time.monotonic()


def parse_complete_rows(content: bytes, header: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the complete rows of a log and the bytes up to their end, header included; ([], 0) for another header."""
    if not content.startswith(header):
        return [], 0
    rows, size = [], len(header)
    for line in content[size:].splitlines(keepends=True):
        try:
            row = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            row = None
        if not isinstance(row, dict):
            break
        rows.append(row)
        size += len(line)
    return rows, size


def open_result_log(folder: Path, fingerprint: str) -> ResultLog:
    """Open the result log of an evaluation in a folder of logs, and delete those of other evaluations."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fingerprint[:16]}.jsonl"
    for other in folder.glob("*.jsonl"):
        if other != path:
            other.unlink()
    result_log = ResultLog(path, fingerprint)
    if result_log.rows:
        logger.info(
            ngettext(
                "resuming with {count} result of an interrupted run",
                "resuming with {count} results of an interrupted run",
                len(result_log.rows),
            )
        )
    return result_log
