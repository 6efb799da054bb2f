"""Provenance of generated records: the teacher that wrote them, its licence, the recipe, the prompt and the date.

`seodang generate` writes it as an object under the key `provenance` of each record. The licences of the teachers enter
the licence verdict beside those that params.yaml names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

PROVENANCE_KEY: Final = "provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a generated record comes from."""

    teacher: str  # name of the model that wrote the answer
    licence: str  # licence of the teacher; "" if the recipe states none, which no verdict calls allowed
    recipe: str  # kind of the recipe, such as self-instruct
    prompt_sha256: str  # hash of the messages that were sent
    date: str  # day of the request: 2026-11-30

    def to_json(self) -> dict[str, str]:
        """Return the object under the key `provenance`."""
        return asdict(self)


def read_provenance(record: Mapping[str, Any]) -> Provenance | None:
    """Return the provenance of a record; None if it has none that names a teacher and a recipe."""
    value = record.get(PROVENANCE_KEY)
    if not isinstance(value, Mapping) or not value.get("teacher") or not value.get("recipe"):
        return None
    names = ("teacher", "licence", "recipe", "prompt_sha256", "date")
    return Provenance(**{name: text if isinstance(text := value.get(name), str) else "" for name in names})


@dataclass(slots=True)
class _Batch:
    """The records of one recipe by one teacher."""

    rows: int = 0
    prompts: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ProvenanceTally:
    """Counts of the generated records of a source."""

    batches: dict[tuple[str, str, str], _Batch] = field(default_factory=dict)  # (teacher, licence, recipe)

    def add(self, provenance: Provenance) -> None:
        """Count one record."""
        key = (provenance.teacher, provenance.licence, provenance.recipe)
        batch = self.batches.setdefault(key, _Batch())
        batch.rows += 1
        batch.prompts.add(provenance.prompt_sha256)
        batch.dates.add(provenance.date)

    def list_licences(self) -> list[str]:
        """Return the licences of the teachers, each once."""
        return list(dict.fromkeys(licence for _teacher, licence, _recipe in self.batches))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the counts for the manifest, in the order of their first records."""
        return [
            {
                "teacher": teacher,
                "licence": licence,
                "recipe": recipe,
                "rows": batch.rows,
                "prompts": len(batch.prompts),
                "first_date": min(batch.dates),
                "last_date": max(batch.dates),
            }
            for (teacher, licence, recipe), batch in self.batches.items()
        ]
