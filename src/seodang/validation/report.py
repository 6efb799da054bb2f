"""What is written about judged rows: lines for quarantine, counts for reports, words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seodang.ingest.rows import TEXTS, Row
from seodang.validation.checks.rule import Rule
from seodang.validation.dataset_checks import DatasetMetric, Tally
from seodang.validation.repeats import DUPLICATE
from seodang.validation.validator import ValidatedRow, Violation

_TOP_REASONS = 5


def get_original_row(row: Row) -> Any:
    """Return the row as the file has it."""
    return {name: row[name] for name in TEXTS} if row["original"] is None else row["original"]


def format_violation(violation: Violation) -> dict[str, Any]:
    """Return one broken rule for a report line."""
    rule, finding = violation.rule, violation.finding
    texts = {name: getattr(rule, name) for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")}
    return {"id": rule.id, "severity": violation.severity, "field": finding.field, "found": finding.excerpt, **texts}


def build_quarantine_line(result: ValidatedRow) -> dict[str, Any]:
    """Return what quarantine.jsonl says of a rejected row: where it stood, what it was, what is wrong, what to do."""
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
    """Return what `seodang check` writes of an accepted row: the record as mended, the row as it was, warnings and repairs."""
    record = result.to_record()
    texts = {name: getattr(record, name) for name in TEXTS}
    optional = {"system": record.system, "rejected": record.rejected, "url": record.url}
    turns = [asdict(turn) for turn in record.turns]
    more = {**{name: value for name, value in optional.items() if value}, **({"turns": turns} if turns else {})}
    line = {**texts, **more, "file": record.file, "source_row": record.source_row, "row": get_original_row(result.row)}
    return {
        **line,
        "rules": [format_violation(violation) for violation in result.warnings],
        "repairs": [asdict(change) for change in result.repairs],
    }


@dataclass(slots=True)
class Summary:
    """Counts of judged rows, for reports."""

    tally: Tally = field(default_factory=Tally)
    rule_counts: Counter[str] = field(
        default_factory=Counter
    )  # rows that a rule rejects, warns of or had mended, by rule: the lines that name it
    errors: Counter[str] = field(default_factory=Counter)  # rows that a rule rejects
    warnings: Counter[str] = field(default_factory=Counter)  # of accepted rows, as repairs
    repairs: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    repaired: Counter[str] = field(default_factory=Counter)  # accepted rows that were mended, by source
    by_source: dict[str, Counter[str]] = field(default_factory=dict)  # source -> rule -> rows rejected
    rules: dict[str, tuple[Rule, str]] = field(default_factory=dict)  # every rule that was met, with its severity

    def add(self, result: ValidatedRow) -> None:
        """Count one row."""
        row = result.repaired_row if result.is_accepted else result.row
        self.tally.add(
            row,
            accepted=result.is_accepted,
            duplicate=any(broken.rule.id == DUPLICATE for broken in (*result.errors, *result.warnings)),
        )
        for violation in (*result.errors, *result.warnings):
            self.rules.setdefault(violation.rule.id, (violation.rule, violation.severity))
        self.rule_counts.update(broken.rule.id for broken in (*result.errors, *result.warnings))
        self.errors.update(broken.rule.id for broken in result.errors)
        self.by_source.setdefault(row["source"], Counter()).update(broken.rule.id for broken in result.errors)
        if result.is_accepted:
            self.warned += bool(result.warnings)
            self.warnings.update(broken.rule.id for broken in result.warnings)
            self.repairs.update(rule.id for rule in result.repaired_rules)
            self.rule_counts.update(rule.id for rule in result.repaired_rules)
            for rule in result.repaired_rules:
                self.rules.setdefault(rule.id, (rule, "repair"))
            self.repaired[row["source"]] += bool(result.repairs)

    def build_counts(self) -> dict[str, int]:
        """Return the figures of all rows; accepted and quarantined together are rows."""
        rows, quarantined = self.tally.rows.total(), self.tally.quarantined.total()
        return {
            "rows": rows,
            "accepted": rows - quarantined,
            "quarantined": quarantined,
            "repaired": self.repaired.total(),
            "warned": self.warned,
        }

    def build_report(self) -> dict[str, Any]:
        """Return all that reports say of the rows."""
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
    """Return a rule's texts for a report."""
    return {
        "severity": severity,
        **{name: getattr(rule, name) for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")},
    }


def format_top_reasons(summary: Summary) -> list[str]:
    """Return the commonest reasons for quarantine, a line each, in both languages."""
    return [
        f"{count:,} {id}: {summary.rules[id][0].reason_ko} / {summary.rules[id][0].reason_en}"
        for id, count in summary.errors.most_common(_TOP_REASONS)
    ]


def format_dataset_violations(violations: Sequence[tuple[DatasetMetric, Rule, str]]) -> list[dict[str, Any]]:
    """Return the figures of the set that are out of bounds, for a report."""
    return [
        {
            "id": rule.id,
            "of": metric.scope,
            "value": round(metric.value, 6),
            "bound": metric.bound,
            **format_rule_entry(rule, severity),
        }
        for metric, rule, severity in violations
    ]
