"""Build quarantine lines, counts and messages from validated rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seodang.ingest.rows import TEXTS, Row
from seodang.io.jsonl import serialize_turn
from seodang.validation.checks.rule import Rule
from seodang.validation.dataset_checks import DatasetViolation, Tally
from seodang.validation.repeats import DUPLICATE
from seodang.validation.validated_row import ValidatedRow, Violation

_TOP_REASONS = 5


def get_original_row(row: Row) -> Any:
    """Return the row as it is in its file."""
    return {name: row[name] for name in TEXTS} if row["original"] is None else row["original"]


def format_violation(violation: Violation) -> dict[str, Any]:
    """Return a violation as an entry of a report line."""
    rule, finding = violation.rule, violation.finding
    return {
        "id": rule.id,
        "severity": violation.severity,
        "field": finding.field,
        "found": finding.excerpt,
        **rule.to_json(),
    }


def build_quarantine_line(result: ValidatedRow) -> dict[str, Any]:
    """Return the line of quarantine.jsonl for a rejected row: file and index, original row, violations with fixes."""
    row = result.row
    rules = [format_violation(violation) for violation in (*result.errors, *result.warnings)]
    return {
        "source": row["source"],
        "file": row["file"],
        "source_row": row["source_row"],
        "row": get_original_row(row),
        "rules": rules,
    }


def build_accepted_line(result: ValidatedRow) -> dict[str, Any]:
    """Return the line of `seodang check` for an accepted row: repaired record, original row, warnings, repairs."""
    record = result.to_record()
    texts = {name: getattr(record, name) for name in TEXTS}
    optional = {"system": record.system, "rejected": record.rejected, "url": record.url}
    turns = [serialize_turn(turn) for turn in record.turns]
    more = {**{name: value for name, value in optional.items() if value}, **({"turns": turns} if turns else {})}
    line = {**texts, **more, "file": record.file, "source_row": record.source_row, "row": get_original_row(result.row)}
    return {
        **line,
        "rules": [format_violation(violation) for violation in result.warnings],
        "repairs": [asdict(change) for change in result.repairs],
    }


@dataclass(slots=True)
class Summary:
    """Counts of validated rows, for reports."""

    tally: Tally = field(default_factory=Tally)
    rule_counts: Counter[str] = field(default_factory=Counter)  # rule -> rows with a rejection, warning or repair by it
    errors: Counter[str] = field(default_factory=Counter)  # rule -> rows that it rejects
    warnings: Counter[str] = field(default_factory=Counter)  # rule -> accepted rows with its warning
    repairs: Counter[str] = field(default_factory=Counter)  # rule -> accepted rows with its repair
    warned: int = 0
    repaired: Counter[str] = field(default_factory=Counter)  # source -> accepted rows with a repair
    by_source: dict[str, Counter[str]] = field(default_factory=dict)  # source -> rule -> rows rejected
    rules: dict[str, tuple[Rule, str]] = field(default_factory=dict)  # violated or repaired rules, with their severity

    def add(self, result: ValidatedRow) -> None:
        """Count one row."""
        row = result.repaired_row if result.is_accepted else result.row
        violations = (*result.errors, *result.warnings)
        self.tally.add(
            row,
            accepted=result.is_accepted,
            duplicate=any(violation.rule.id == DUPLICATE for violation in violations),
        )
        for violation in violations:
            self.rules.setdefault(violation.rule.id, (violation.rule, violation.severity))
        rejecting = [violation.rule.id for violation in result.errors]
        self.rule_counts.update(violation.rule.id for violation in violations)
        self.errors.update(rejecting)
        self.by_source.setdefault(row["source"], Counter()).update(rejecting)
        if result.is_accepted:
            self._add_accepted(result, row["source"])

    def _add_accepted(self, result: ValidatedRow, source: str) -> None:
        repairing = [rule.id for rule in result.repaired_rules]
        self.warned += bool(result.warnings)
        self.warnings.update(violation.rule.id for violation in result.warnings)
        self.repairs.update(repairing)
        self.rule_counts.update(repairing)
        for rule in result.repaired_rules:
            self.rules.setdefault(rule.id, (rule, "repair"))
        self.repaired[source] += bool(result.repairs)

    def build_counts(self) -> dict[str, int]:
        """Return the counts of all rows; accepted plus quarantined equals rows."""
        rows, quarantined = self.tally.rows.total(), self.tally.quarantined.total()
        return {
            "rows": rows,
            "accepted": rows - quarantined,
            "quarantined": quarantined,
            "repaired": self.repaired.total(),
            "warned": self.warned,
        }

    def build_report(self) -> dict[str, Any]:
        """Return the part of a report that describes the rows."""
        return {
            **self.build_counts(),
            "by_rule": dict(self.errors.most_common()),
            "warnings": dict(self.warnings.most_common()),
            "repairs": dict(self.repairs.most_common()),
            "by_source": {name: self._build_source_report(name) for name in self.tally.rows},
            "rules": {id: format_rule_entry(rule, severity) for id, (rule, severity) in sorted(self.rules.items())},
        }

    def _build_source_report(self, name: str) -> dict[str, Any]:
        rows, quarantined = self.tally.rows[name], self.tally.quarantined[name]
        rules = dict(self.by_source.get(name, Counter()).most_common())
        return {
            "rows": rows,
            "accepted": rows - quarantined,
            "quarantined": quarantined,
            "repaired": self.repaired[name],
            "rules": rules,
        }


def format_rule_entry(rule: Rule, severity: str) -> dict[str, str]:
    """Return severity and texts of a rule for a report."""
    return {"severity": severity, **rule.to_json()}


def format_top_reasons(summary: Summary) -> list[str]:
    """Return the most frequent reasons for quarantine, one line each."""
    return [f"{count:,} {id}: {summary.rules[id][0].reason}" for id, count in summary.errors.most_common(_TOP_REASONS)]


def format_dataset_violations(violations: Sequence[DatasetViolation]) -> list[dict[str, Any]]:
    """Return the violations of the data set for a report."""
    return [
        {
            "id": violation.rule.id,
            "of": violation.metric.scope,
            "value": round(violation.metric.value, 6),
            "bound": violation.metric.bound,
            **format_rule_entry(violation.rule, violation.severity),
        }
        for violation in violations
    ]
