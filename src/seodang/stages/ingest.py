"""Stage `ingest`: every source to one file of rows, and a manifest that says where each came from."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

from seodang.config import IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.rows import Row
from seodang.ingest.sources import Tally, source_rows
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import write_json, write_rows
from seodang.io.progress import progress
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, ingest: IngestParams, paths: Paths) -> Report:
    """Write the rows of all sources, as they stream by, and their manifest.

    Raises:
        SourceError: Naming every source that cannot be used; nothing is written then.

    """
    manifest: list[dict[str, Any]] = []
    write_rows(paths.records, _rows(ingest, paths, manifest))
    report = {
        "rows": sum(entry["rows_written"] for entry in manifest),
        "records_sha256": sha256_of(paths.records),
        "sources": manifest,
    }
    write_json(paths.ingest_report, report)
    return report


def _rows(ingest: IngestParams, paths: Paths, manifest: list[dict[str, Any]]) -> Iterator[Row]:
    """Yield all rows; a source's fault is told only after the others have been read, so that one run tells all."""
    faults = []
    kinds: set[type[SourceError]] = set()
    for source in ingest.sources:
        try:
            yield from _source(source, ingest, paths, manifest)
        except SourceError as error:
            faults += [f"source {source.name!r}: {line}" for line in str(error).splitlines()]
            kinds.add(type(error))
    kind = kinds.pop() if len(kinds) == 1 else SourceError  # trying again helps only where nothing else is wrong
    if len(faults) == 1:
        raise kind(faults[0])
    if faults:
        raise kind("\n  ".join([f"{len(faults)} faults in ingest.sources:", *faults]))


def _source(source: SourceParams, ingest: IngestParams, paths: Paths, manifest: list[dict[str, Any]]) -> Iterator[Row]:
    tally = Tally()
    languages: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    for row in progress(source_rows(source, ingest, paths.root, tally), f"ingest {source.name}"):
        languages[row["language"]] += 1
        tasks[row["task"]] += 1
        yield row
    manifest.append(
        {
            "name": source.name,
            "kind": source.kind,
            "format": ", ".join(tally.formats),
            "files": [_described(file) for file in tally.files],
            "licence": source.licence,
            "rows_read": tally.read,
            "rows_written": languages.total(),
            "by_language": dict(sorted(languages.items())),
            "by_task": dict(sorted(tasks.items())),
            "ignored_keys": tally.ignored,
        }
    )
    _tell(source, tally, languages)


def _described(file: LocalFile) -> dict[str, Any]:
    fields = {"path": file.place, "sha256": sha256_of(file.path), "bytes": file.path.stat().st_size}
    return fields if file.url is None else {**fields, "url": file.url}


def _tell(source: SourceParams, tally: Tally, languages: Counter[str]) -> None:
    counts = ", ".join(f"{language} {count:,}" for language, count in sorted(languages.items()))
    logger.info(
        "ingested %s: %s of %s rows (%s), %s, %s",
        source.name,
        f"{languages.total():,}",
        f"{tally.read:,}",
        counts or "none",
        ", ".join(tally.formats) or "no file yet",
        source.licence,
    )
    if tally.ignored:
        logger.warning(
            "ingested %s: the keys %s have no place in a record and were left out",
            source.name,
            ", ".join(tally.ignored),
        )
