"""Sentences about rules of licences, in all languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from seodang.i18n import N_, Message
from seodang.licences.table import Condition, Duty, Licence, Status, Use

USE_LABELS: Final[Mapping[Use, str]] = {
    "research": N_("research use"),
    "non-commercial": N_("non-commercial use"),
    "commercial": N_("commercial use"),
}
STATUS_LABELS: Final[Mapping[Status, str]] = {
    "allowed": N_("allowed"),
    "conditional": N_("allowed on conditions"),
    "unknown": N_("not known to be allowed"),
    "forbidden": N_("forbidden"),
}
_CONDITIONS: Final[Mapping[str, str]] = {
    "monthly_users": N_(
        "monthly active users: at most {limit:,} when the model was released (above that with a licence of {licensor})"
    ),
    "no_competing_product": N_("no product or service that is similar to those of {licensor} or competes with them"),
    "own_service": N_(
        "your own service only (third-party access by API or cloud, system integration, on-premise and on-device offers "
        "need a commercial licence of {licensor})"
    ),
    "education": N_("only for education, besides research"),
    "no_competing_models": N_("the outcome must not compete with models of {licensor}"),
    "derivative": N_("a model trained to behave like it counts as its derivative, under the same terms"),
    "named": N_("the trained model bears the required name"),
    "unchanged": N_("only unchanged; whether training changes the data is not settled here"),
}
_DUTIES: Final[Mapping[str, str]] = {
    "attribution": N_("name the creators, link the licence, and say what you changed"),
    "copy": N_("pass on a copy of the licence"),
    "changes": N_("say in changed files that you changed them"),
    "notices": N_("keep the copyright and licence notices"),
    "notice": N_("put into a text file Notice: “{text}”"),
    "display": N_("show “{text}” on the website, the interface or in the documentation"),
    "policy": N_("keep to the use policy and pass it on: {text}"),
    "share_alike": N_("share what you derive under the same licence"),
}


def describe_condition(condition: Condition, licence: Licence) -> Message:
    """Return a condition as a clause."""
    return Message(_CONDITIONS[condition.kind], {"limit": condition.count, "licensor": licence.licensor})


def describe_duty(duty: Duty, licence: Licence) -> Message:
    """Return a duty with the section that states it."""
    return Message(
        "{duty} ({licence}, {section})",
        {"duty": Message(_DUTIES[duty.kind], {"text": duty.text}), "licence": licence.name, "section": duty.section},
    )


def describe_document(licence: Licence, section: str) -> Message:
    """Return the place of a rule: title, version and section of the document."""
    version = licence.document.version
    title = f"{licence.document.title} ({version})" if version else licence.document.title
    return Message("{document}, section {section}", {"document": title, "section": section})


def join_messages(messages: Sequence[Message], template: str = "{first}; {second}") -> Message:
    """Return several messages as one.

    Args:
        messages: At least one.
        template: With the placeholders first and second.
    """
    joined = messages[0]
    for message in messages[1:]:
        joined = Message(template, {"first": joined, "second": message})
    return joined
