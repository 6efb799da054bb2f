"""What licences require of a model's name: "Llama" at its beginning, for example."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seodang.i18n import Message
from seodang.licences.table import Licence, NamePrefix, find_licences, normalize_name
from seodang.licences.texts import describe_document
from seodang.licences.verdict import Part


@dataclass(frozen=True, slots=True)
class RequiredPrefix:
    """A beginning that a licence requires of the model's name."""

    part: Part
    licence: Licence
    prefix: NamePrefix


def list_required_prefixes(parts: Sequence[Part]) -> list[RequiredPrefix]:
    """Return the required beginnings of the name, each once."""
    required: dict[str, RequiredPrefix] = {}
    for part in parts:
        for licence in find_licences(part.licence).licences:
            prefix = licence.name_prefix
            if prefix and (part.kind == "base" or (part.kind == "teacher" and prefix.by_outputs)):
                required.setdefault(prefix.text, RequiredPrefix(part, licence, prefix))
    return list(required.values())


def check_name(name: str, parts: Sequence[Part]) -> list[Message]:
    """Return a problem for each licence that requires another beginning of the name, with a name that would do.

    Args:
        name: As in package.name; case and punctuation do not matter.
        parts: Of the model.

    """
    required = list_required_prefixes(parts)
    missing = [each for each in required if not normalize_name(name).startswith(normalize_name(each.prefix.text))]
    if len(required) > 1:
        return [_report_conflict(required)]
    return [_report_missing(name, each) for each in missing]


def build_name(name: str, prefix: str) -> str:
    """Return a name that begins with the prefix, in the characters of package.name.

    The prefix is moved to the beginning if the name has it elsewhere: "seodang-llama-8b" becomes "llama-seodang-8b".
    """
    slug = re.sub(r"[^a-z0-9]+", "-", prefix.lower()).strip("-")
    rest = re.sub(rf"(^|[-_.]){re.escape(slug)}(?=$|[-_.\d])", "", name, flags=re.IGNORECASE).strip("-_.")
    return f"{slug}-{rest}" if rest else slug


def format_title(name: str, parts: Sequence[Part]) -> str:
    """Return the name with the prefix as the licence writes it: BentoML's names are in lower case, a card's are not."""
    for required in list_required_prefixes(parts):
        text = required.prefix.text
        slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        if name.lower().startswith(slug):
            return text.replace(" ", "-") + name[len(slug) :]
    return name


def _report_missing(name: str, required: RequiredPrefix) -> Message:
    return Message(
        "the name {name} must begin with “{prefix}” ({document}); write package.name: {proposal}",
        {
            "name": name,
            "prefix": required.prefix.text,
            "document": describe_document(required.licence, required.prefix.section),
            "proposal": build_name(name, required.prefix.text),
        },
    )


def _report_conflict(required: Sequence[RequiredPrefix]) -> Message:
    return Message(
        "no name can begin with each of {prefixes}, which the licences of base and teachers require; leave one of them out",
        {"prefixes": ", ".join(f"“{each.prefix.text}”" for each in required)},
    )
