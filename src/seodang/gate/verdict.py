"""What the gate said, for whoever acts on it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from seodang.errors import GateRejected
from seodang.io.jsonl import read_json


def require_promotion(path: Path, error_class: type[GateRejected], consequence: str) -> dict[str, Any]:
    """Return the verdict, or raise with its reasons if it is not `promote`.

    Args:
        path: Of the verdict.
        refusal: What to raise.
        consequence: What does not happen then.

    Raises:
        GateRejected: As `refusal` says.
        ArtefactError: If there is no verdict.
    """
    verdict = read_json(path)
    if verdict.get("verdict") != "promote":
        reasons = "".join(
            f"\n  - {reason['ko']}\n    {reason['en']}" for reason in verdict.get("reasons", ()) if not reason["passed"]
        )
        raise error_class(
            f"the gate says {verdict.get('verdict')!r}, so {consequence}:{reasons or ' it gives no reason'}\nSee {path}"
        )
    return verdict


def drop_schema(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without the version of its layout."""
    return {key: value for key, value in report.items() if key != "schema"}


def compute_digest(verdict: dict[str, Any]) -> str:
    """Return the sha256 of a verdict as sorted JSON: the same in verdict.json and in a lineage."""
    return hashlib.sha256(json.dumps(drop_schema(verdict), ensure_ascii=False, sort_keys=True).encode()).hexdigest()
