"""The verdict of the gate: its labels, its digest, and the check that a model may be promoted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from seodang.errors import GateRejected
from seodang.i18n import N_, _, get_language
from seodang.io.jsonl import read_json

Verdict = Literal["promote", "reject", "inconclusive"]

VERDICT_LABELS: Final[Mapping[str, str]] = {
    "promote": N_("promote"),
    "reject": N_("reject"),
    "inconclusive": N_("inconclusive"),
}
"""Messages by verdict, for the terminal, pages and flows."""
OUTCOME_LABELS: Final[Mapping[bool | None, str]] = {True: N_("met"), False: N_("not met"), None: N_("undecided")}
"""Messages by the outcome of a rule; None: the items do not decide it."""


def require_promotion(path: Path, error_class: type[GateRejected], consequence: str) -> dict[str, Any]:
    """Return the verdict if it is `promote`, else raise with its reasons.

    Args:
        path: Of the verdict.
        error_class: Exception to raise.
        consequence: Clause about the action that does not happen, in the user's language.

    Raises:
        GateRejected: As `error_class`.
        ArtifactError: If there is no verdict.
    """
    verdict = read_json(path)
    name = str(verdict.get("verdict"))
    if name != "promote":
        reasons = [reason[get_language()] for reason in verdict.get("reasons", ()) if not reason["passed"]]
        raise error_class(
            _(
                "the verdict of the gate is {verdict}, so {consequence}:{reasons}\nSee {path}",
                verdict=_(VERDICT_LABELS.get(name, name)),
                consequence=consequence,
                reasons="".join(f"\n  - {reason}" for reason in reasons) or " -",
                path=path,
            )
        )
    return verdict


def drop_schema(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without the version of its layout."""
    return {key: value for key, value in report.items() if key != "schema"}


def compute_digest(verdict: dict[str, Any]) -> str:
    """Return the sha256 of a verdict as sorted JSON; it is equal for verdict.json and a lineage."""
    return hashlib.sha256(json.dumps(drop_schema(verdict), ensure_ascii=False, sort_keys=True).encode()).hexdigest()
