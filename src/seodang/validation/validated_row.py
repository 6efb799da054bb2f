"""A row with the result of its validation."""

from __future__ import annotations

from dataclasses import dataclass

from seodang.ingest.rows import Row
from seodang.records import Record, Turn, make_record
from seodang.validation.checks.repair import Repair
from seodang.validation.checks.rule import Rule
from seodang.validation.checks.run import Finding

_RECORD_FIELDS = (
    "instruction",
    "input",
    "output",
    "language",
    "source",
    "task",
    "cluster",
    "role",
    "file",
    "source_row",
    "system",
    "rejected",
    "desirable",
    "url",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a row violates, and the finding."""

    rule: Rule
    severity: str  # reject | warn
    finding: Finding


@dataclass(frozen=True, slots=True)
class ValidatedRow:
    """A row with the result of its validation."""

    row: Row  # as ingested
    repaired_row: Row  # as accepted
    errors: list[Violation]  # rules that reject it; the row is accepted if there are none
    warnings: list[Violation]
    repairs: list[Repair]
    repaired_rules: list[Rule]  # rules whose findings are repaired

    @property
    def is_accepted(self) -> bool:
        """Return whether no rule rejects the row."""
        return not self.errors

    def to_record(self) -> Record:
        """Return the accepted row as a record."""
        fields = {name: self.repaired_row[name] for name in _RECORD_FIELDS}
        return make_record(
            **fields,
            choices=tuple(self.repaired_row["choices"]),
            turns=tuple(Turn(**turn) for turn in self.repaired_row["turns"]),
            warnings=tuple(violation.rule.id for violation in self.warnings),
            repairs=tuple(rule.id for rule in self.repaired_rules),
        )
