"""The preference set of a run, for the data card: counts, lengths of both sides, and reasons for quarantine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from seodang.io.jsonl import read_rows
from seodang.paths import Paths
from seodang.reports.data_card.quarantine import Reason, build_reasons

_MAX_TASKS: Final = 20


@dataclass(frozen=True, slots=True)
class LanguageRow:
    """The preference records of one language in train and test together."""

    language: str
    train: int
    test: int
    pairs: int
    good: int
    bad: int
    chosen: float | None  # median characters of the better answers of the pairs; None without pairs
    rejected: float | None
    chosen_longer: int  # pairs
    rejected_longer: int
    interval: tuple[float, float] | None  # Wilson's, of the share of `chosen_longer` in pairs of different lengths


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preference set."""

    read: int
    accepted: int
    quarantined: int
    train: int
    test: int
    left_out: dict[str, int]  # reason -> records
    languages: list[LanguageRow]
    tasks: list[tuple[str, dict[str, int]]]  # task, place -> records; most frequent first
    reasons: list[Reason]
    warnings: list[Reason]


@dataclass(slots=True)
class _Lengths:
    """Counts of one language, while the rows stream."""

    sizes: Counter[str] = field(default_factory=Counter)
    chosen: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], place: str) -> None:
        """Count a row of train or test."""
        self.sizes[place] += 1
        if not row["rejected"]:
            self.sizes["good" if row["desirable"] else "bad"] += 1
            return
        self.chosen.append(len(row["output"]))
        self.rejected.append(len(row["rejected"]))

    def build_row(self, language: str) -> LanguageRow:
        """Return the counts with medians and the share of the pairs whose better answer is the longer one."""
        sides = list(zip(self.chosen, self.rejected, strict=True))
        longer, shorter = sum(one > other for one, other in sides), sum(one < other for one, other in sides)
        return LanguageRow(
            language,
            train=self.sizes["train"],
            test=self.sizes["test"],
            pairs=len(sides),
            good=self.sizes["good"],
            bad=self.sizes["bad"],
            chosen=median(self.chosen) if sides else None,
            rejected=median(self.rejected) if sides else None,
            chosen_longer=longer,
            rejected_longer=shorter,
            interval=_compute_interval(longer, longer + shorter),
        )


def read_preferences(validated: Mapping[str, Any], prepared: Mapping[str, Any], paths: Paths) -> Preferences | None:
    """Return the preference set; None while align.method is none.

    Args:
        validated: Report of stage `validate`.
        prepared: Report of stage `prepare`.
        paths: Paths of the project.
    """
    if "preferences" not in validated or "preferences" not in prepared:
        return None
    checks, split = validated["preferences"], prepared["preferences"]
    lengths: dict[str, _Lengths] = defaultdict(_Lengths)
    for place, file in (("train", paths.preferences_train), ("test", paths.preferences_test)):
        for row in read_rows(file):
            lengths[row["language"]].add(row, place)
    return Preferences(
        read=checks["rows"],
        accepted=checks["accepted"],
        quarantined=checks["quarantined"],
        train=split["train"],
        test=split["test"],
        left_out={reason: count for reason, count in split["left_out"].items() if count},
        languages=[lengths[language].build_row(language) for language in sorted(lengths, reverse=True)],
        tasks=_rank_tasks(split["tasks"]),
        reasons=build_reasons(checks["by_rule"], checks["rules"]),
        warnings=build_reasons(checks["warnings"], checks["rules"]),
    )


def select_record_lines(lines: Iterable[dict[str, Any]], manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of quarantine.jsonl about records; the lines about preferences come after them."""
    names = {entry["name"] for entry in manifest.get("preferences", {}).get("sources", [])}
    names -= {entry["name"] for entry in manifest["sources"]}
    return (line for line in lines if line["source"] not in names)


def _rank_tasks(by_place: Mapping[str, Mapping[str, int]]) -> list[tuple[str, dict[str, int]]]:
    names = {name for tasks in by_place.values() for name in tasks}
    rows = [(name, {place: by_place[place].get(name, 0) for place in ("train", "test")}) for name in names]
    return sorted(rows, key=lambda row: (-sum(row[1].values()), row[0]))[:_MAX_TASKS]


def _compute_interval(count: int, total: int) -> tuple[float, float] | None:
    from scipy.stats import binomtest

    if not total:
        return None
    interval = binomtest(count, total).proportion_ci(0.95, "wilson")
    return float(interval.low), float(interval.high)
