"""The reasons for quarantined rows, warnings and repairs, with rows as examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from seodang.i18n import LANGUAGES
from seodang.reports.data_card.redaction import WITHHELD, Text, format_head, is_personal
from seodang.reports.data_card.sampling import LowestHashes

MAX_REASONS: Final = 12  # number of reasons with examples; the card lists all reasons


@dataclass(frozen=True, slots=True)
class Example:
    """A quarantined row, shortened and without personal data."""

    location: str  # file and row index, from 0
    excerpt: Text  # the text that violates the rule
    row: Text  # beginning of the row as it is in the file


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule with the number of its rows."""

    id: str
    count: int
    text: Mapping[str, str]  # language -> reason; "" for a rule that the report does not describe
    examples: tuple[Example, ...] = ()


def build_reasons(counts: dict[str, int], rules: dict[str, Any]) -> list[Reason]:
    """Return the rules of one count of a validation report, most frequent first."""
    ranking = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Reason(id, count, select_reason_texts(rules.get(id, {}))) for id, count in ranking]


def select_reason_texts(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the reason of a rule in a report by language; "" where the report has none."""
    return {language: entry.get(f"reason_{language}", "") for language in LANGUAGES}


def add_examples(
    reasons: list[Reason], quarantined: Iterable[dict[str, Any]], *, examples: int, seed: int
) -> list[Reason]:
    """Return the reasons with a sample of rows for the most frequent ones, selected by the hash of their location.

    Args:
        reasons: Reasons for quarantine, most frequent first.
        quarantined: Rows of quarantine.jsonl.
        examples: Maximum number of rows for each reason.
        seed: Seed of the samples.

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
    """Return a quarantined row as an example; for a row with personal data it has only the location."""
    if any(is_personal(other["id"]) for other in line["rules"]):
        return Example(location, WITHHELD, WITHHELD)
    return Example(location, format_head(rule["found"]), format_head(line["row"]))
