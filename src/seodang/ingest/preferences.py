"""Preference sources: which of them a run reads, and their rows without a preference."""

from __future__ import annotations

from seodang.config import AlignParams, IngestParams, SourceParams
from seodang.ingest.rows import PREFERENCE_MISSING, Row


def select_preference_sources(align: AlignParams) -> list[SourceParams]:
    """Return the preference sources that a run reads: none while align.method is none."""
    return [] if align.method == "none" else align.sources


def add_preference_sources(ingest: IngestParams, align: AlignParams) -> IngestParams:
    """Return section `ingest` with all sources that a run reads."""
    return ingest.model_copy(update={"sources": [*ingest.sources, *select_preference_sources(align)]})


def mark_missing_preference(row: Row) -> Row:
    """Return a row that says of itself if it is neither a pair nor a marked answer; a rule reports it."""
    if row["rejected"] or row["desirable"] is not None:
        return row
    return {**row, "marks": {**row["marks"], PREFERENCE_MISSING: f"format {row['format'] or 'unknown'}"}}
