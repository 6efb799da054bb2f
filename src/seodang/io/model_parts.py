"""The parts of a trained model, from the reports of the stages."""

from __future__ import annotations

from seodang.io.jsonl import read_json
from seodang.licences.verdict import Part, list_parts
from seodang.paths import Paths


def read_model_parts(paths: Paths) -> list[Part]:
    """Return base, sources with rows, and their teachers; a source without rows imposes no licence.

    Raises:
        ArtifactError: If the report of stage base or ingest is missing or damaged.

    """
    sources = [source for source in read_json(paths.ingest_report)["sources"] if source["rows_written"]]
    return list_parts(read_json(paths.base_report).get("licence", ""), sources)
