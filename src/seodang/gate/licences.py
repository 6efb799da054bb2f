"""The licence verdict among the reasons of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seodang.gate.messages import Reason


def build_licence_reasons(licences: Mapping[str, Any]) -> list[Reason]:
    """Return what the licences say about the declared use; without a declared use there is no reason.

    A forbidden use rejects the candidate. A condition and an unknown licence are notes: people must decide on them.

    Args:
        licences: As `seodang.licences.verdict.serialize_verdict` returns them.

    """
    reasons = []
    for finding in licences.get("findings", ()):
        is_forbidden = finding["status"] == "forbidden"
        if finding["status"] != "allowed":
            reasons.append(
                Reason(not is_forbidden, ko=finding["ko"], en=finding["en"], is_information=not is_forbidden)
            )
    return reasons
