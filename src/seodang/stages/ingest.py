"""Stage `ingest`: write the rows of all sources into one file, and a manifest of their origin."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seodang.config import AlignParams, IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.i18n import _, ngettext
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.preferences import mark_missing_preference, select_preference_sources
from seodang.ingest.rows import Row
from seodang.ingest.sources import iter_source_rows
from seodang.ingest.tally import Tally
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import Writer, write_json
from seodang.io.progress import track_progress
from seodang.paths import Paths
from seodang.stages import Report
from seodang.validation.ignored_texts import (
    format_ignored_values,
    list_ignored_scores,
    list_ignored_texts,
    list_ignored_verdicts,
)

logger = logging.getLogger(__name__)


def run(
    *,
    ingest: IngestParams,
    align: AlignParams,
    paths: Paths,
) -> Report:
    """Stream the rows of all sources into one file, and write their manifest.

    Args:
        ingest: Sources of the records.
        align: Preference sources. With method none they are not read, and their file is empty.
        paths: Paths of the project.

    Raises:
        SourceError: If any source cannot be used; the message names all of them, and nothing is written.

    """
    # A folder leaves out the files that other sources of its list name; the lists do not change each other's rows.
    of_preferences = ingest.model_copy(update={"sources": select_preference_sources(align)})
    manifest: list[dict[str, Any]] = []
    preferences: list[dict[str, Any]] = []
    with Writer(paths.records, allow_nan=True) as records, Writer(paths.preference_rows, allow_nan=True) as pairs:
        errors = _write_rows(records, ingest, paths, manifest)
        errors += _write_rows(pairs, of_preferences, paths, preferences, adapt_row=mark_missing_preference)
        _raise_errors(errors)
    report = _build_report(manifest, paths.records)
    if of_preferences.sources:
        report["preferences"] = _build_report(preferences, paths.preference_rows)
    write_json(paths.ingest_report, report)
    return report


def _build_report(manifest: list[dict[str, Any]], file: Path) -> dict[str, Any]:
    return {
        "rows": sum(entry["rows_written"] for entry in manifest),
        "records_sha256": compute_sha256(file),
        "sources": manifest,
    }


def _write_rows(
    writer: Writer,
    ingest: IngestParams,
    paths: Paths,
    manifest: list[dict[str, Any]],
    adapt_row: Callable[[Row], Row] = lambda row: row,
) -> list[SourceError]:
    """Write the rows of all sources, and return the errors of all sources: one run reports them together."""
    errors: list[SourceError] = []
    for source in ingest.sources:
        try:
            for row in _iter_source_rows(source, ingest, paths, manifest):
                writer.write(adapt_row(row))
        except SourceError as error:
            lines = [
                _("source {name!r}: {problem}", name=source.name, problem=line) for line in str(error).splitlines()
            ]
            errors += [type(error)(line) for line in lines]
    return errors


def _raise_errors(errors: list[SourceError]) -> None:
    # A retry helps only if every error may pass.
    error_types = {type(error) for error in errors}
    error_type = error_types.pop() if len(error_types) == 1 else SourceError
    if len(errors) == 1:
        raise error_type(str(errors[0]))
    if errors:
        title = _("errors in the sources ({count}):", count=len(errors))
        raise error_type("\n  ".join([title, *map(str, errors)]))


def _iter_source_rows(
    source: SourceParams, ingest: IngestParams, paths: Paths, manifest: list[dict[str, Any]]
) -> Iterator[Row]:
    tally = Tally()
    languages: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    description = _("ingest {name}", name=source.name)
    for row in track_progress(iter_source_rows(source, ingest, paths.root, tally), description):
        languages[row["language"]] += 1
        tasks[row["task"]] += 1
        yield row
    manifest.append(
        {
            "name": source.name,
            "kind": source.kind,
            "format": ", ".join(tally.formats),
            "files": [_describe_file(file, tally) for file in tally.files],
            "licence": source.licence,
            "teachers": list(dict.fromkeys([*source.teachers, *tally.generated.list_licences()])),
            **({"generated": generated} if (generated := tally.generated.to_json()) else {}),
            "rows_read": tally.rows_read,
            "rows_written": languages.total(),
            "by_language": dict(sorted(languages.items())),
            "by_task": dict(sorted(tasks.items())),
            "ignored_keys": tally.ignored_keys.list_names(),
            "ignored_values": format_ignored_values(tally.ignored_keys),
        }
    )
    _log_source(source, tally, languages)


def _describe_file(file: LocalFile, tally: Tally) -> dict[str, Any]:
    details = tally.details[file.location].to_dict() if file.location in tally.details else {}
    fields = {"path": file.location, "sha256": compute_sha256(file.path), "bytes": file.path.stat().st_size, **details}
    return fields if file.url is None else {**fields, "url": file.url}


def _log_source(source: SourceParams, tally: Tally, languages: Counter[str]) -> None:
    counts = ", ".join(f"{language} {count:,}" for language, count in sorted(languages.items()))
    logger.info(
        _(
            "ingested {name}: {written:,} of {read} ({counts}), {formats}, {licence}",
            name=source.name,
            written=languages.total(),
            read=ngettext("{count:,} row", "{count:,} rows", tally.rows_read),
            counts=counts or _("none"),
            formats=", ".join(tally.formats) or _("no file yet"),
            licence=source.licence,
        )
    )
    if names := tally.ignored_keys.list_names():
        logger.warning(
            _(
                "ingested {name}: a record has no field for the keys {keys}; they were ignored",
                name=source.name,
                keys=", ".join(names),
            )
        )
        ignored = tally.ignored_keys
        for line in (*list_ignored_texts(ignored), *list_ignored_scores(ignored), *list_ignored_verdicts(ignored)):
            logger.warning(_("ingested {name}: {problem}", name=source.name, problem=line))
    for location, details in tally.details.items():
        if description := details.describe():
            logger.info(_("{path}: {details}", path=location, details=description))
    for file in tally.files:
        if file.is_held_out and source.role == "any":
            logger.info(_("{path} is a test or validation split: its records have the role test", path=file.location))
