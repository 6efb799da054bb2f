"""Why rows were quarantined, warned about or repaired, with a few rows as examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from seodang.reports.data_card.redaction import WITHHELD, format_head, is_personal
from seodang.reports.data_card.sampling import LowestHashes

MAX_REASONS: Final = 12  # reasons that get examples; the table has all


@dataclass(frozen=True, slots=True)
class Example:
    """One quarantined row, fit to be shown."""

    location: str  # file and row, from 0
    excerpt: str  # what the rule found
    row: str  # head of the row as it was in the file


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule, with how often it was met."""

    id: str
    count: int
    ko: str
    en: str
    fix_ko: str
    fix_en: str
    examples: tuple[Example, ...] = ()


def build_reasons(counts: dict[str, int], rules: dict[str, Any]) -> list[Reason]:
    """Return the rules of one count in a validation report, the commonest first."""
    result = []
    for id, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        texts = rules.get(id, {})
        result.append(
            Reason(id, count, *(texts.get(name, "") for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")))
        )
    return result


def add_examples(
    reasons: list[Reason], quarantined: Iterable[dict[str, Any]], *, examples: int, seed: int
) -> list[Reason]:
    """Return the reasons, the commonest ones with up to `examples` rows, chosen by hash of their places.

    Args:
        found: As `reasons` gives them.
        quarantined: The rows of quarantine.jsonl.
        examples: For each reason; at the most.
        seed: Of the choice.

    """
    samples = {reason.id: LowestHashes[Example](examples, seed) for reason in reasons[:MAX_REASONS]}
    for line in quarantined:
        location = f"{line['file'] or line['source']}, {line['source_row']}"
        for rule in line["rules"]:
            if rule["id"] in samples:
                samples[rule["id"]].add(location, _build_example(location, rule, line))
    return [
        replace(reason, examples=tuple(samples[reason.id].items())) if reason.id in samples else reason
        for reason in reasons
    ]


def _build_example(location: str, rule: dict[str, Any], line: dict[str, Any]) -> Example:
    """Make a row fit to be shown; one with personal data in it shows its place only, whatever else is wrong with it."""
    if any(is_personal(other["id"]) for other in line["rules"]):
        return Example(location, WITHHELD, WITHHELD)
    return Example(location, format_head(rule["found"]), format_head(line["row"]))
