"""Compare the findings of the rules with human decisions about the same records.

    python benchmarks/cleaner_decisions.py DATA [--half even|odd]

DATA is JSONL. Each line has a `decision` (kept, or edited, replaced, dropped) and the record as `raw`, or as `ko` and
`en`. With `ko`, the rules examine the Korean record. A kept record counts as good, any other as bad. Limits and actions
are those of params.yaml. A hash of the (English) instruction splits the rows into two halves: rules are developed on
the even one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seodang.config import ExpectationsParams
from seodang.config.load import load_params
from seodang.ingest.rows import Row
from seodang.paths import Paths
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.checks.run import examine

# Rules that warn, and that docs/data-quality.md recommends as `reject` in a strict setting.
STRICT = ("input-thin", "missing-input", "instruction-echo")
RANKING_RECALL = 0.3  # recall at which the ranking's precision is measured
REJECT_WEIGHT, WARN_WEIGHT, REPAIR_WEIGHT = 3.0, 2.0, 1.0  # of a finding; strict rules weigh like those that reject
HEADING = (
    f"{'flagged by':34s} {'rows':>5s} {'bad':>5s} {'precision':>10s} {'95 % interval':>16s} {'lift':>6s} "
    f"{'recall':>7s} {'95 % interval':>16s} {'kept flagged':>13s}"
)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """The human decision about a record, and the findings of the rules."""

    bad: bool
    even: bool
    actions: dict[str, str]  # action of each rule with a finding

    def is_strictly_rejected(self) -> bool:
        """Return whether the strict setting rejects the row."""
        return any(action == "reject" or rule in STRICT for rule, action in self.actions.items())

    def compute_weight(self) -> float:
        """Return the row's position in the ranking: the sum of the weights of its findings."""
        return sum(_get_weight(rule, action) for rule, action in self.actions.items())


def _get_weight(rule: str, action: str) -> float:
    if action == "reject" or rule in STRICT:
        return REJECT_WEIGHT
    return WARN_WEIGHT if action == "warn" else REPAIR_WEIGHT


def compute_wilson_interval(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the score interval of a proportion (Wilson 1927); (0, 1) if there is nothing to count."""
    if not count:
        return 0.0, 1.0
    ratio, square = hits / count, z * z / count
    middle, spread = ratio + square / 2, z * math.sqrt(ratio * (1 - ratio) / count + square / (4 * count))
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)


def build_row(record: dict[str, str], language: str) -> Row:
    """Return an Alpaca record as `ingest` writes it."""
    texts = {name: record.get(name) or "" for name in ("instruction", "input", "output")}
    return {**texts, "system": "", "turns": [], "rejected": "", "language": language, "choices": [], "oversized": []}


def judge(line: dict[str, Any], expectations: ExpectationsParams) -> JudgedRow:
    """Return the decision of a line, and the findings of all rules that are not off."""
    actions = {rule.id: getattr(expectations.actions, rule.action_field) for rule in REGISTRY}
    row = build_row(line["ko"], "ko") if "ko" in line else build_row(line["raw"], "en")
    english = line["en"] if "en" in line else line["raw"]
    rules = frozenset(rule for rule, action in actions.items() if action != "off")
    findings = examine(row, expectations.limits, rules).findings
    digest = int(hashlib.sha256(english["instruction"].encode()).hexdigest(), 16)
    return JudgedRow(line["decision"] != "kept", digest % 2 == 0, {rule: actions[rule] for rule in findings})


def format_line(name: str, rows: list[JudgedRow], is_flagged: Callable[[JudgedRow], bool]) -> str:
    """Return one line of the table."""
    bad = sum(row.bad for row in rows)
    hits, count = sum(is_flagged(row) and row.bad for row in rows), sum(map(is_flagged, rows))
    precision, recall = hits / max(1, count), hits / max(1, bad)
    format_interval = "{:.1%}-{:.1%}".format
    lift, false_alarms = precision * len(rows) / max(1, bad), (count - hits) / max(1, len(rows) - bad)
    return (
        f"{name:34s} {count:5d} {hits:5d} {precision:10.1%} "
        f"{format_interval(*compute_wilson_interval(hits, count)):>16s} {lift:6.2f} "
        f"{recall:7.1%} {format_interval(*compute_wilson_interval(hits, bad)):>16s} {false_alarms:13.1%}"
    )


def format_ranking_line(rows: list[JudgedRow]) -> str:
    """Return the line of a ranking by weight, cut where it reaches the recall; rows of one weight count together."""
    bad = sum(row.bad for row in rows)
    weights = sorted({row.compute_weight() for row in rows} - {0.0}, reverse=True)
    for weight in weights:
        if sum(row.bad for row in rows if row.compute_weight() >= weight) >= RANKING_RECALL * bad:
            break
    return format_line(f"ranking: weight >= {weight:g}", rows, lambda row: row.compute_weight() >= weight)


def _has_action(actions: set[str]) -> Callable[[JudgedRow], bool]:
    return lambda row: not actions.isdisjoint(row.actions.values())


def _has_finding(rule: str) -> Callable[[JudgedRow], bool]:
    return lambda row: rule in row.actions


def iter_table(title: str, rows: list[JudgedRow]) -> Iterator[str]:
    """Yield the lines for one set of rows."""
    bad = sum(row.bad for row in rows)
    yield f"\n{title}: {len(rows)} records, {bad} bad, base rate {bad / max(1, len(rows)):.1%}\n{HEADING}"
    yield format_line("rejected", rows, _has_action({"reject"}))
    yield format_line("rejected or warned", rows, _has_action({"reject", "warn"}))
    yield format_line("rejected, warned or repaired", rows, _has_action({"reject", "warn", "repair"}))
    yield format_line("rejected in the strict setting", rows, JudgedRow.is_strictly_rejected)
    if any(row.actions for row in rows):
        yield format_ranking_line(rows)
    for rule in REGISTRY:
        action = next((row.actions[rule.id] for row in rows if rule.id in row.actions), None)
        if action is not None:
            yield format_line(f"  {rule.id} ({action})", rows, _has_finding(rule.id))


def main() -> None:
    """Print the tables: all rows and each half, or one half alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--half", choices=["even", "odd"], help="this half alone; the other remains unseen")
    options = parser.parse_args()
    expectations = load_params(Paths(Path.cwd()).params).expectations
    rows = [judge(json.loads(line), expectations) for line in options.data.read_text("utf-8").splitlines()]
    halves = {"even": [row for row in rows if row.even], "odd": [row for row in rows if not row.even]}
    if options.half:
        tables = {f"{options.half} half": halves[options.half]}
    else:
        tables = {"all": rows, "even half": halves["even"], "odd half": halves["odd"]}
    for title, part in tables.items():
        print("\n".join(iter_table(title, part)))


if __name__ == "__main__":
    main()
