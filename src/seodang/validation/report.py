"""What is written about judged rows: lines for quarantine, counts for reports, words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seodang.ingest.rows import TEXTS, Row
from seodang.validation.checks.rule import Rule
from seodang.validation.dataset_checks import Measure, Tally
from seodang.validation.repeats import DUPLICATE
from seodang.validation.validator import Broken, Judged

_TOP_REASONS = 5


def as_it_was(row: Row) -> Any:
    """Return the row as the file has it."""
    return {name: row[name] for name in TEXTS} if row["original"] is None else row["original"]


def told_broken(broken: Broken) -> dict[str, Any]:
    """Return one broken rule for a report line."""
    rule, finding = broken.rule, broken.finding
    texts = {name: getattr(rule, name) for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")}
    return {"id": rule.id, "severity": broken.severity, "field": finding.field, "found": finding.found, **texts}


def quarantine_line(judged: Judged) -> dict[str, Any]:
    """Return what quarantine.jsonl says of a rejected row: where it stood, what it was, what is wrong, what to do."""
    row = judged.row
    rules = [told_broken(broken) for broken in (*judged.faults, *judged.warnings)]
    return {
        "source": row["source"],
        "file": row["file"],
        "source_row": row["source_row"],
        "row": as_it_was(row),
        "rules": rules,
    }


def accepted_line(judged: Judged) -> dict[str, Any]:
    """Return what `seodang check` writes of an accepted row: the record as mended, the row as it was, warnings and repairs."""
    record = judged.record()
    texts = {name: getattr(record, name) for name in TEXTS}
    optional = {"system": record.system, "rejected": record.rejected, "url": record.url}
    turns = [asdict(turn) for turn in record.turns]
    more = {**{name: value for name, value in optional.items() if value}, **({"turns": turns} if turns else {})}
    line = {**texts, **more, "file": record.file, "source_row": record.source_row, "row": as_it_was(judged.row)}
    return {
        **line,
        "rules": [told_broken(broken) for broken in judged.warnings],
        "repairs": [asdict(change) for change in judged.repairs],
    }


@dataclass(slots=True)
class Summary:
    """Counts of judged rows, for reports."""

    tally: Tally = field(default_factory=Tally)
    met: Counter[str] = field(
        default_factory=Counter
    )  # rows that a rule rejects, warns of or had mended, by rule: the lines that name it
    faults: Counter[str] = field(default_factory=Counter)  # rows that a rule rejects
    warnings: Counter[str] = field(default_factory=Counter)  # of accepted rows, as repairs
    repairs: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    repaired: Counter[str] = field(default_factory=Counter)  # accepted rows that were mended, by source
    by_source: dict[str, Counter[str]] = field(default_factory=dict)  # source -> rule -> rows rejected
    rules: dict[str, tuple[Rule, str]] = field(default_factory=dict)  # every rule that was met, with its severity

    def add(self, judged: Judged) -> None:
        """Count one row."""
        row = judged.mended if judged.accepted else judged.row
        self.tally.add(
            row,
            accepted=judged.accepted,
            duplicate=any(broken.rule.id == DUPLICATE for broken in (*judged.faults, *judged.warnings)),
        )
        for broken in (*judged.faults, *judged.warnings):
            self.rules.setdefault(broken.rule.id, (broken.rule, broken.severity))
        self.met.update(broken.rule.id for broken in (*judged.faults, *judged.warnings))
        self.faults.update(broken.rule.id for broken in judged.faults)
        self.by_source.setdefault(row["source"], Counter()).update(broken.rule.id for broken in judged.faults)
        if judged.accepted:
            self.warned += bool(judged.warnings)
            self.warnings.update(broken.rule.id for broken in judged.warnings)
            self.repairs.update(rule.id for rule in judged.repaired)
            self.met.update(rule.id for rule in judged.repaired)
            for rule in judged.repaired:
                self.rules.setdefault(rule.id, (rule, "repair"))
            self.repaired[row["source"]] += bool(judged.repairs)

    def counts(self) -> dict[str, int]:
        """Return the figures of all rows; accepted and quarantined together are rows."""
        rows, quarantined = self.tally.rows.total(), self.tally.quarantined.total()
        return {
            "rows": rows,
            "accepted": rows - quarantined,
            "quarantined": quarantined,
            "repaired": self.repaired.total(),
            "warned": self.warned,
        }

    def report(self) -> dict[str, Any]:
        """Return all that reports say of the rows."""
        return {
            **self.counts(),
            "by_rule": dict(self.faults.most_common()),
            "warnings": dict(self.warnings.most_common()),
            "repairs": dict(self.repairs.most_common()),
            "by_source": {name: self._source(name) for name in self.tally.rows},
            "rules": {id: told_rule(rule, severity) for id, (rule, severity) in sorted(self.rules.items())},
        }

    def _source(self, name: str) -> dict[str, Any]:
        rows, quarantined = self.tally.rows[name], self.tally.quarantined[name]
        rules = dict(self.by_source.get(name, Counter()).most_common())
        return {
            "rows": rows,
            "accepted": rows - quarantined,
            "quarantined": quarantined,
            "repaired": self.repaired[name],
            "rules": rules,
        }


def told_rule(rule: Rule, severity: str) -> dict[str, str]:
    """Return a rule's texts for a report."""
    return {
        "severity": severity,
        **{name: getattr(rule, name) for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")},
    }


def top_reasons(summary: Summary) -> list[str]:
    """Return the commonest reasons for quarantine, a line each, in both languages."""
    return [
        f"{count:,} {id}: {summary.rules[id][0].reason_ko} / {summary.rules[id][0].reason_en}"
        for id, count in summary.faults.most_common(_TOP_REASONS)
    ]


def told_measures(broken: Sequence[tuple[Measure, Rule, str]]) -> list[dict[str, Any]]:
    """Return the figures of the set that are out of bounds, for a report."""
    return [
        {
            "id": rule.id,
            "of": measure.of,
            "value": round(measure.value, 6),
            "bound": measure.bound,
            **told_rule(rule, severity),
        }
        for measure, rule, severity in broken
    ]
