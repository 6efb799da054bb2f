"""The rules on rows against what people decided about the same records.

python benchmarks/cleaner_decisions.py DATA [--half even|odd]

DATA is JSONL: each line has a `decision` (kept, or edited, replaced, dropped) and the record as `raw`, or as `ko` and
`en`; with `ko` the Korean record is judged. kept means good, all else bad. The bounds and actions are those of
params.yaml. Rows fall into two halves by a hash of the (English) instruction: rules are developed on the even one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Callable, Iterable
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
RECALL = 0.3  # where the ranking is read off
FIRM, SOFT, MENDED = 3.0, 2.0, 1.0  # weight in the ranking: rejected or strict, warned, repaired
HEADING = (
    f"{'flagged by':34s} {'rows':>5s} {'bad':>5s} {'precision':>10s} {'95 % interval':>16s} {'lift':>6s} "
    f"{'recall':>7s} {'95 % interval':>16s} {'kept flagged':>13s}"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One record: what people decided, and what the rules found."""

    bad: bool
    even: bool
    found: dict[str, str]  # rule -> action


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927); (0, 1) of nothing."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, z * z / count
    middle, spread = share + square / 2, z * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return (middle - spread) / (1 + square), (middle + spread) / (1 + square)


def as_row(record: dict[str, str], language: str) -> Row:
    """Return an Alpaca record as `ingest` would."""
    texts = {name: record.get(name) or "" for name in ("instruction", "input", "output")}
    return {**texts, "system": "", "turns": [], "rejected": "", "language": language, "choices": [], "oversized": []}


def judge(line: dict[str, Any], expectations: ExpectationsParams) -> Judged:
    """Return what the rules that are not off find in the line's record."""
    actions = {rule.id: getattr(expectations.actions, rule.action_field) for rule in REGISTRY}
    row = as_row(line["ko"], "ko") if "ko" in line else as_row(line["raw"], "en")
    english = line["en"] if "en" in line else line["raw"]
    found = examine(row, expectations.limits, [id for id, action in actions.items() if action != "off"]).findings
    digest = int(hashlib.sha256(english["instruction"].encode()).hexdigest(), 16)
    return Judged(line["decision"] != "kept", digest % 2 == 0, {id: actions[id] for id in found})


def weight(row: Judged) -> float:
    """Return the row's place in the ranking: the weights of its findings together."""
    return sum(
        FIRM if action == "reject" or id in STRICT else SOFT if action == "warn" else MENDED
        for id, action in row.found.items()
    )


def table_row(name: str, rows: list[Judged], flagged: Callable[[Judged], bool]) -> str:
    """Return one line of the table."""
    bad = sum(row.bad for row in rows)
    hits, count = sum(flagged(row) and row.bad for row in rows), sum(map(flagged, rows))
    precision, recall = hits / max(1, count), hits / max(1, bad)
    around = "{:.1%}-{:.1%}".format
    lift, alarms = precision * len(rows) / max(1, bad), (count - hits) / max(1, len(rows) - bad)
    return (
        f"{name:34s} {count:5d} {hits:5d} {precision:10.1%} {around(*wilson(hits, count)):>16s} {lift:6.2f} "
        f"{recall:7.1%} {around(*wilson(hits, bad)):>16s} {alarms:13.1%}"
    )


def ranked(rows: list[Judged]) -> str:
    """Return precision where a ranking by weighted findings reaches the recall; rows of one score count together."""
    bad, scores = sum(row.bad for row in rows), sorted({weight(row) for row in rows} - {0.0}, reverse=True)
    for score in scores:
        if sum(row.bad for row in rows if weight(row) >= score) >= RECALL * bad:
            break
    return table_row(f"ranking: weight >= {score:g}", rows, lambda row: weight(row) >= score)


def _met(actions: set[str]) -> Callable[[Judged], bool]:
    return lambda row: not actions.isdisjoint(row.found.values())


def _broke(id: str) -> Callable[[Judged], bool]:
    return lambda row: id in row.found


def report(title: str, rows: list[Judged]) -> Iterable[str]:
    """Yield the lines for one set of rows."""
    bad = sum(row.bad for row in rows)
    yield f"\n{title}: {len(rows)} records, {bad} bad, base rate {bad / max(1, len(rows)):.1%}\n{HEADING}"
    for name, actions in (
        ("rejected", {"reject"}),
        ("rejected or warned", {"reject", "warn"}),
        ("rejected, warned or repaired", {"reject", "warn", "repair"}),
    ):
        yield table_row(name, rows, _met(actions))
    yield table_row(
        "rejected in the strict setting",
        rows,
        lambda row: any(action == "reject" or id in STRICT for id, action in row.found.items()),
    )
    if any(row.found for row in rows):
        yield ranked(rows)
    for rule in REGISTRY:
        if any(rule.id in row.found for row in rows):
            action = next(row.found[rule.id] for row in rows if rule.id in row.found)
            yield table_row(f"  {rule.id} ({action})", rows, _broke(rule.id))


def main() -> None:
    """Print the tables: all rows and each half, or one half alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=["even", "odd"], help="this half alone, so that the other stays unseen")
    arguments = parser.parse_args()
    expectations = load_params(Paths(Path.cwd()).params).expectations
    rows = [judge(json.loads(line), expectations) for line in arguments.data.read_text("utf-8").splitlines()]
    halves = {"even": [row for row in rows if row.even], "odd": [row for row in rows if not row.even]}
    sets = (
        {f"{arguments.half} half": halves[arguments.half]}
        if arguments.half
        else {"all": rows, "even half": halves["even"], "odd half": halves["odd"]}
    )
    for title, part in sets.items():
        print("\n".join(report(title, part)))


if __name__ == "__main__":
    main()
