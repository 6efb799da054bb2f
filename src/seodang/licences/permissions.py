"""What the parts of a model allow for each use, and the verdict on the declared one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seodang.i18n import N_, Message
from seodang.licences.table import USES, Status, Use
from seodang.licences.texts import STATUS_LABELS
from seodang.licences.verdict import LicenceVerdict, Part, combine_statuses, judge_licences

_SUMMARY = N_(
    "Licences of base, data and teachers: commercial use {commercial}, non-commercial use {non_commercial}, "
    "research use {research}; declared (package.intended_use): {declared}"
)


@dataclass(frozen=True, slots=True)
class PartPermissions:
    """What the licence of one part says."""

    part: Part
    statuses: Mapping[Use, Status]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What may be done with a model of these parts."""

    parts: list[PartPermissions]
    statuses: Mapping[Use, Status]
    """Of all parts together: the strictest decides."""
    use: Use | None
    """As declared; None: not declared."""
    reasons: list[Message]
    """What is not simply allowed of the declared use, with the place of the rule."""
    duties: list[Message]

    @property
    def has_base(self) -> bool:
        """Whether the base model is among the parts."""
        return any(row.part.kind == "base" for row in self.parts)

    def list_notes(self) -> list[Message]:
        """Return the verdict on each use, and the reasons about the declared one."""
        values = {use.replace("-", "_"): Message(STATUS_LABELS[status]) for use, status in self.statuses.items()}
        return [Message(_SUMMARY, {**values, "declared": self.use or Message("none")}), *self.reasons]


def build_permissions(parts: Sequence[Part], use: Use | None) -> Permissions:
    """Return the verdicts on each use, of each part and of all together.

    Args:
        parts: Base first, then each source and its teachers; without the base where it is not known yet.
        use: As declared; None: not declared.

    """
    verdicts = {each: judge_licences(each, parts) for each in USES}
    declared = judge_licences(use, parts)
    return Permissions(
        parts=[
            PartPermissions(part, {each: _judge_part(part, verdict) for each, verdict in verdicts.items()})
            for part in dict.fromkeys(parts)
        ],
        statuses={each: verdict.status or "unknown" for each, verdict in verdicts.items()},
        use=use,
        reasons=[finding.text for finding in declared.findings if finding.status != "allowed"],
        duties=declared.duties,
    )


def _judge_part(part: Part, verdict: LicenceVerdict) -> Status:
    return combine_statuses([finding for finding in verdict.findings if finding.part == part])
