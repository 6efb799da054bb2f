"""The licence verdict: may a model of this base, these data and these teachers be used as declared? Pure.

The strictest part decides. Unknown is never allowed. This is no legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from seodang.i18n import N_, Message
from seodang.licences.names import summarize_licences
from seodang.licences.table import USES, FoundLicences, Licence, Rule, Status, Use, find_licences
from seodang.licences.texts import USE_LABELS, describe_condition, describe_document, describe_duty, join_messages

PartKind = Literal["base", "source", "teacher"]
_ORDER: Final[tuple[Status, ...]] = ("allowed", "conditional", "unknown", "forbidden")
_PART_LABELS: Final = {
    "base": N_("the base model under {licence}"),
    "source": N_("source {name} under {licence}"),
    "teacher": N_("source {name}, written by a model under {licence}"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """What a model is made of: its base, the records of a source, or the model that wrote a source's answers."""

    kind: PartKind
    name: str
    """Of the source; of the base it is "base"."""
    licence: str
    """As the parameters state it."""

    @property
    def label(self) -> Message:
        """The part with its licence, in words."""
        licence: str | Message = self.licence.strip() or Message("no stated licence")
        return Message(_PART_LABELS[self.kind], {"name": self.name, "licence": licence})


@dataclass(frozen=True, slots=True)
class Finding:
    """What the licence of a part says about a use."""

    part: Part
    status: Status
    text: Message
    """The part, the outcome and the place of the rule."""
    licence: Licence | None = None
    """None: no entry of the table."""
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceVerdict:
    """The verdict on a declared use; without a declared use it has no status and no findings."""

    use: Use | None
    status: Status | None
    findings: list[Finding]
    instead: list[Message]
    """What would be allowed in place of a forbidden use."""
    duties: list[Message]
    """When the model is passed on."""


def list_parts(base_licence: str, sources: Iterable[Mapping[str, Any]]) -> list[Part]:
    """Return the parts of a model.

    Args:
        base_licence: Licence of the base model.
        sources: Each with name, licence and teachers (licences of the models that wrote its answers).

    """
    parts = [Part("base", "base", base_licence)]
    for source in sources:
        parts.append(Part("source", source["name"], source.get("licence") or ""))
        parts += [Part("teacher", source["name"], teacher) for teacher in source.get("teachers") or ()]
    return parts


def judge_licences(use: Use | None, parts: Sequence[Part]) -> LicenceVerdict:
    """Return the verdict on a use, with the rule of each part.

    Args:
        use: As declared; None: not declared.
        parts: Base first, then each source and its teachers.

    """
    duties = list_duties(parts)
    if use is None:
        return LicenceVerdict(use=None, status=None, findings=[], instead=[], duties=duties)
    findings = [finding for part in parts for finding in _judge_part(use, part, parts)]
    status = combine_statuses(findings)
    instead = _list_alternatives(use, parts) if status == "forbidden" else []
    return LicenceVerdict(use=use, status=status, findings=findings, instead=instead, duties=duties)


def combine_statuses(findings: Sequence[Finding]) -> Status:
    """Return the strictest outcome; without findings nothing is known."""
    return max((finding.status for finding in findings), key=_ORDER.index, default="unknown")


def list_duties(parts: Iterable[Part]) -> list[Message]:
    """Return what the licences of base and sources require when the model is passed on, without repeats."""
    licences = {
        licence.id: licence
        for part in parts
        if part.kind != "teacher"
        for licence in find_licences(part.licence).licences
    }
    return [describe_duty(duty, licence) for licence in licences.values() for duty in licence.duties]


def list_notices(parts: Iterable[Part]) -> list[str]:
    """Return the notices that licences require word by word in a text file beside the model."""
    licences = {licence.id: licence for part in parts for licence in find_licences(part.licence).licences}
    return [duty.text for licence in licences.values() for duty in licence.duties if duty.kind == "notice"]


def serialize_verdict(verdict: LicenceVerdict) -> dict[str, Any]:
    """Return the verdict for a JSON report, its texts in all languages."""
    return {
        "use": verdict.use,
        "status": verdict.status,
        "findings": [_serialize_finding(finding) for finding in verdict.findings],
        "instead": [message.to_json() for message in verdict.instead],
        "duties": [message.to_json() for message in verdict.duties],
    }


def _serialize_finding(finding: Finding) -> dict[str, Any]:
    part, licence = finding.part, finding.licence
    document = None if licence is None else licence.document.model_dump(mode="json", by_alias=True)
    return {
        "part": part.kind,
        "name": part.name,
        "licence": part.licence,
        "status": finding.status,
        "section": finding.section,
        "document": document,
        **finding.text.to_json(),
    }


def _judge_part(use: Use, part: Part, parts: Sequence[Part]) -> list[Finding]:
    """Return a finding for each licence that a part names, and one for what no entry explains."""
    found = find_licences(part.licence)
    findings = [_judge_licence(use, part, licence, parts) for licence in found.licences]
    if use == "commercial" and not any(finding.status == "forbidden" for finding in findings):
        findings += _judge_name(part)
    if not found.is_complete and not any(finding.status == "forbidden" for finding in findings):
        findings.append(_report_unknown(use, part, found))
    return findings


def _judge_licence(use: Use, part: Part, licence: Licence, parts: Sequence[Part]) -> Finding:
    rules = licence.outputs if part.kind == "teacher" else licence.uses
    rule = rules.get(use) if rules else None
    if rule is None:
        text = Message(
            "{part}: about {use} nothing is stated in what was read of {document}",
            {"part": part.label, "document": licence.document.title, "use": Message(USE_LABELS[use])},
        )
        return Finding(part, "unknown", text, licence)
    return Finding(part, *_apply_rule(rule, use, part, licence, parts), licence, rule.section)


def _apply_rule(rule: Rule, use: Use, part: Part, licence: Licence, parts: Sequence[Part]) -> tuple[Status, Message]:
    values = {
        "part": part.label,
        "use": Message(USE_LABELS[use]),
        "document": describe_document(licence, rule.section),
    }
    if rule.status == "forbidden" and not _is_exempt(rule, parts):
        return "forbidden", Message("{part}: {use} is forbidden ({document})", values)
    if rule.status == "conditional":
        conditions = join_messages([describe_condition(condition, licence) for condition in rule.conditions])
        text = Message("{part}: {use} is allowed on a condition: {conditions} ({document})", values)
        return "conditional", text.add({"conditions": conditions})
    return "allowed", Message("{part}: {use} is allowed ({document})", values)


def _is_exempt(rule: Rule, parts: Sequence[Part]) -> bool:
    """Return whether a prohibition does not hold for the licence of the base."""
    bases = {licence.id for part in parts if part.kind == "base" for licence in find_licences(part.licence).licences}
    return bool(bases & set(rule.except_for))


def _judge_name(part: Part) -> list[Finding]:
    """Return a finding where the licence's own name forbids commercial use, such as "research only"."""
    if part.kind == "teacher" or not summarize_licences([part.licence]).non_commercial:
        return []
    text = Message("{part}: commercial use is forbidden (by the name of the licence)", {"part": part.label})
    return [Finding(part, "forbidden", text)]


def _report_unknown(use: Use, part: Part, found: FoundLicences) -> Finding:
    values = {"part": part.label, "use": Message(USE_LABELS[use])}
    text = Message("{part}: this licence is unknown, so {use} is not known to be allowed", values)
    if found.licences:
        text = Message("{part}: a part of this licence is unknown, so {use} is not known to be allowed", values)
    return Finding(part, "unknown", text)


def _list_alternatives(use: Use, parts: Sequence[Part]) -> list[Message]:
    """Return what would be allowed: the same use without some sources or with another base, or a narrower use."""
    alternatives = _list_changes(use, parts)
    for other in USES[USES.index(use) + 1 :]:
        status = _judge_parts(other, parts)
        values = {"use": Message(USE_LABELS[other]), "value": other}
        if status == "unknown":
            alternatives.append(Message("{use}, which no known rule forbids (package.intended_use: {value})", values))
        elif status != "forbidden":
            alternatives.append(Message("{use} (package.intended_use: {value})", values))
    alternatives.append(Message("a licence for this use from those who hold the rights"))
    return alternatives


def _list_changes(use: Use, parts: Sequence[Part]) -> list[Message]:
    """Return the sources to leave out and whether another base is needed, for the use to be no longer forbidden."""
    culprits = [part for part in parts if combine_statuses(_judge_part(use, part, parts)) == "forbidden"]
    sources = list(dict.fromkeys(part.name for part in culprits if part.kind != "base"))
    values = {"use": Message(USE_LABELS[use]), "sources": ", ".join(sources)}
    if not sources:
        return [Message("{use} with another base model", values)]
    without = Message(
        "{use} without the source {sources}", values, plural="{use} without the sources {sources}", count=len(sources)
    )
    if all(part.kind != "base" for part in culprits):
        return [without]
    return [Message("{alternative} and with another base model", {"alternative": without})]


def _judge_parts(use: Use, parts: Sequence[Part]) -> Status:
    return combine_statuses([finding for part in parts for finding in _judge_part(use, part, parts)])
