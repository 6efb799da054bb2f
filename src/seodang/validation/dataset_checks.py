"""Rules on the entire data set, and the metrics that they bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from seodang.config.expectations import DatasetParams
from seodang.ingest.rows import Row
from seodang.validation.checks.rule import Rule, fill_limit
from seodang.validation.dataset_rules import DATASET_RULES

Profile = dict[str, dict[str, float]]  # "language" | "task" | "length" -> value -> ratio of the accepted rows

_MIN_LABELLED_ROWS = 20  # the label balance of fewer accepted rows means nothing

_OF_PREFERENCES: Final = ("quarantined-ratio", "source-quarantined-ratio", "unique-ratio", "pair-length-bias")


@dataclass(frozen=True, slots=True)
class DatasetMetric:
    """A metric of the data set, with the rule that bounds it."""

    rule: Rule
    scope: str  # "all", or the name of a source, a language, a task or a distribution
    value: float
    bound: float


@dataclass(frozen=True, slots=True)
class DatasetViolation:
    """A metric out of bounds."""

    metric: DatasetMetric
    rule: Rule  # with the bound in its texts
    severity: str  # reject | warn


@dataclass(slots=True)
class Tally:
    """Counts of the rows, taken while they stream."""

    rows: Counter[str] = field(default_factory=Counter)  # by source
    quarantined: Counter[str] = field(default_factory=Counter)  # by source
    languages: Counter[str] = field(default_factory=Counter)  # of accepted rows, as all below
    tasks: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    longer: Counter[str] = field(default_factory=Counter)  # of preference pairs: the side with the longer answer
    duplicates: int = 0

    def add(self, row: Row, *, accepted: bool, duplicate: bool) -> None:
        """Count one row; all texts of an accepted row are strings."""
        self.rows[row["source"]] += 1
        self.duplicates += duplicate
        if not accepted:
            self.quarantined[row["source"]] += 1
            return
        self.languages[row["language"]] += 1
        self.tasks[row["task"]] += 1
        self.lengths[f"<2^{len(row['output']).bit_length()}"] += 1
        if row["rejected"] and (difference := len(row["output"]) - len(row["rejected"])):
            self.longer["chosen" if difference > 0 else "rejected"] += 1
        if row["choices"]:
            self.labels.setdefault(row["task"], Counter())[row["output"]] += 1

    def build_profile(self) -> Profile:
        """Return the ratios that the next run compares with its own to compute drift."""
        return {
            name: compute_ratios(counts)
            for name, counts in (("language", self.languages), ("task", self.tasks), ("length", self.lengths))
        }


def compute_ratios(counts: Counter[str]) -> dict[str, float]:
    """Return the ratio of each count to the total, by name."""
    return {name: round(count / counts.total(), 6) for name, count in sorted(counts.items())}


def compute_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the total variation distance of two distributions: half the sum of the differences, 0 to 1."""
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other}) / 2


def compute_metrics(tally: Tally, bounds: DatasetParams, last_profile: Profile | None) -> list[DatasetMetric]:
    """Return the metrics of all rules that are not off, in the order of the rules.

    Args:
        tally: Counts of all rows.
        bounds: Section expectations.dataset of params.yaml.
        last_profile: Profile of the last accepted run; None on the first run, which has no drift.

    """
    return [
        DatasetMetric(rule, scope, value, bound)
        for rule in DATASET_RULES
        if get_dataset_action(rule, bounds) != "off"
        for scope, value, bound in _compute_values(rule.id, tally, bounds, last_profile)
    ]


def compute_preference_metrics(tally: Tally, bounds: DatasetParams) -> list[DatasetMetric]:
    """Return the metrics of the preference set; languages, labels and number of rows are those of the instructions."""
    metrics = compute_metrics(tally, bounds, None)
    return [
        replace(metric, scope=f"{metric.scope} (preferences)")
        for metric in metrics
        if metric.rule.id in _OF_PREFERENCES
    ]


def format_dataset_rule(metric: DatasetMetric) -> Rule:
    """Return the rule of a metric with its bound in its texts."""
    return fill_limit(metric.rule, metric.bound, count=metric.bound)


def build_dataset_violations(metrics: Iterable[DatasetMetric], bounds: DatasetParams) -> list[DatasetViolation]:
    """Return metrics out of bounds as violations with their texts and severity."""
    return [
        DatasetViolation(metric, format_dataset_rule(metric), get_dataset_action(metric.rule, bounds))
        for metric in metrics
    ]


def get_dataset_action(rule: Rule, bounds: DatasetParams) -> str:
    """Return reject, warn or off."""
    section = getattr(bounds, rule.minimum or rule.maximum or "")
    action: str = section.action
    return action


def _compute_values(
    id: str, tally: Tally, bounds: DatasetParams, last_profile: Profile | None
) -> Iterator[tuple[str, float, float]]:
    rows, quarantined = tally.rows.total(), tally.quarantined.total()
    match id:
        case "quarantined-ratio":
            yield "all", quarantined / rows if rows else 0.0, bounds.quarantined_ratio.maximum
        case "source-quarantined-ratio":
            yield from (
                (name, tally.quarantined[name] / count, bounds.source_quarantined_ratio.maximum)
                for name, count in tally.rows.items()
            )
        case "accepted-count":
            yield "all", rows - quarantined, bounds.accepted_count.minimum
        case "unique-ratio":
            yield "all", 1 - tally.duplicates / rows if rows else 1.0, bounds.unique_ratio.minimum
        case "language-ratio":
            accepted = tally.languages.total() or 1
            yield from (
                (name, tally.languages[name] / accepted, minimum)
                for name, minimum in bounds.language_ratio.minimum.items()
            )
        case "label-ratio":
            yield from _compute_label_ratios(tally, bounds.label_ratio.maximum)
        case "drift":
            profile = tally.build_profile()
            yield from (
                (name, compute_distance(profile[name], last_profile[name]), bounds.drift.maximum)
                for name in profile
                if last_profile and name in last_profile
            )
        case "pair-length-bias":
            pairs = tally.longer.total()
            yield from (
                (side, compute_lower_end(count, pairs), bounds.pair_length_bias.maximum)
                for side, count in sorted(tally.longer.items())
            )


def compute_lower_end(count: int, total: int) -> float:
    """Return the lower end of Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest

    return float(binomtest(count, total).proportion_ci(0.95, "wilson").low)


def _compute_label_ratios(tally: Tally, bound: float) -> Iterator[tuple[str, float, float]]:
    for task, labels in tally.labels.items():
        if labels.total() >= _MIN_LABELLED_ROWS:
            yield task, max(labels.values()) / labels.total(), bound
