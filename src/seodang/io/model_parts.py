"""The parts of a trained model, from the reports of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seodang.io.jsonl import read_json
from seodang.licences.verdict import Part, list_parts
from seodang.paths import Paths


def read_model_parts(paths: Paths) -> list[Part]:
    """Return base, sources with rows, and their teachers; a source without rows imposes no licence.

    Raises:
        ArtifactError: If the report of stage base or ingest is missing or damaged.

    """
    sources = [source for source in list_sources(read_json(paths.ingest_report)) if source["rows_written"]]
    return list_parts(read_json(paths.base_report).get("licence", ""), sources)


def list_sources(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sources in the manifest of stage `ingest`: those of the records, then those of the preferences."""
    return [*manifest["sources"], *manifest.get("preferences", {}).get("sources", [])]
