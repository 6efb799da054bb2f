"""The content of the page of generated records, from the manifest of the run and its records. It knows no markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.records import Language, detect_language
from seodang.reports.data_card.verb_objects import VerbObject
from seodang.reports.data_card.verbs import RootFigure, count_roots, find_roots

MAX_INSTRUCTIONS: Final = (
    20_000  # of each side and language, from the beginning: one second of analysis for about 1,000
)
_MAX_SAMPLES: Final = 8
_LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")


@dataclass(frozen=True, slots=True)
class RootCounts:
    """The root verbs and objects of some instructions in one language."""

    instructions: int
    """Distinct ones."""
    verbs: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    """Verb and object."""
    figure: RootFigure | None

    @property
    def pairs_per_hundred(self) -> float:
        """Distinct pairs of verb and object in 100 instructions."""
        return 100 * len(self.pairs) / self.instructions if self.instructions else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        top = self.figure.verbs if self.figure else ()
        return {
            "instructions": self.instructions,
            "verbs": len(self.verbs),
            "pairs": len(self.pairs),
            "pairs_per_hundred": round(self.pairs_per_hundred, 2),
            "top": [{"verb": verb.name, "count": verb.count, "objects": dict(verb.objects)} for verb in top],
        }


@dataclass(frozen=True, slots=True)
class Diversity:
    """What a run started from, and what it generated, in one language."""

    language: Language
    start: RootCounts
    generated: RootCounts

    @property
    def new_verbs(self) -> int:
        """Verbs of the generated instructions that the start has not."""
        return len(self.generated.verbs - self.start.verbs)

    @property
    def new_pairs(self) -> int:
        """Pairs of the generated instructions that the start has not."""
        return len(self.generated.pairs - self.start.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The content of the page, for the template."""

    kind: str
    teacher: str
    licence: str
    is_complete: bool
    is_budget_exceeded: bool
    beyond_reserved: Mapping[str, int]
    """Calls that used more tokens than were reserved for them, and these tokens."""
    calls: Mapping[str, int]
    kept: int
    reasons: Sequence[tuple[str, int]]
    """Reason, rejections; the most frequent first."""
    figures: Mapping[str, Any]
    """Of the recipe, as in the manifest."""
    novelty: Mapping[str, Any] | None
    """Only of self-instruct."""
    diversity: Sequence[Diversity]
    samples: Sequence[Mapping[str, str]]

    def to_json(self) -> dict[str, Any]:
        """Return diversity and novelty."""
        return {
            "recipe": self.kind,
            "novelty": self.novelty,
            "languages": {
                each.language: {
                    "start": each.start.to_json(),
                    "generated": each.generated.to_json(),
                    "new_verbs": each.new_verbs,
                    "new_pairs": each.new_pairs,
                }
                for each in self.diversity
            },
        }


def build_contents(manifest: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], start: Iterable[str]) -> Contents:
    """Return the content of the page.

    Args:
        manifest: Of the run.
        rows: The records that it wrote.
        start: The instructions that the recipe started from: seed tasks, tasks, prompts or quarantined rows.
    """
    settings = manifest["settings"]
    return Contents(
        kind=settings["recipe"]["kind"],
        teacher=settings["teacher"]["model"],
        licence=settings["teacher"]["licence"],
        is_complete=manifest["complete"],
        is_budget_exceeded=manifest["spent"]["is_budget_exceeded"],
        beyond_reserved=manifest["beyond_reserved"],
        calls=manifest["calls"],
        kept=manifest["rows"]["kept"],
        reasons=list(manifest["rows"]["reasons"].items()),
        figures=manifest["figures"],
        novelty=manifest["figures"].get("novelty"),
        diversity=compare_diversity(start, (row["instruction"] for row in rows)),
        samples=[_show_row(row) for row in rows[:: max(1, len(rows) // _MAX_SAMPLES)][:_MAX_SAMPLES]],
    )


def _show_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a record; of a preference pair, the better answer."""
    output = row["chosen"] if "chosen" in row else row["output"]
    return {"instruction": row["instruction"], "input": row["input"], "output": output}


def compare_diversity(start: Iterable[str], generated: Iterable[str]) -> list[Diversity]:
    """Return the root verbs and objects of both sides by language; a language without generated ones is left out."""
    before, after = _group(start), _group(generated)
    return [
        Diversity(language, _count(language, before[language]), _count(language, after[language]))
        for language in _LANGUAGES
        if after[language]
    ]


def _group(instructions: Iterable[str]) -> dict[Language, list[str]]:
    groups: dict[Language, dict[str, None]] = {language: {} for language in _LANGUAGES}
    for instruction in instructions:
        groups[detect_language(instruction)][instruction] = None
    return {language: list(group)[:MAX_INSTRUCTIONS] for language, group in groups.items()}


def _count(language: Language, instructions: Sequence[str]) -> RootCounts:
    roots: list[VerbObject] = find_roots(language, instructions) if instructions else []
    return RootCounts(
        instructions=len(instructions),
        verbs=frozenset(root.verb for root in roots if root.verb is not None),
        pairs=frozenset(
            (root.verb, root.object) for root in roots if root.verb is not None and root.object is not None
        ),
        figure=count_roots(language, roots),
    )
