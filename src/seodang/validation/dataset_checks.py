"""What holds of a data set as a whole: seven rules, and the figures that Great Expectations judges by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from seodang.config.validate import DatasetParams
from seodang.ingest.rows import Row
from seodang.validation.checks.rule import Rule

Profile = dict[str, dict[str, float]]  # "language" | "task" | "length" -> value -> share of the accepted rows

_MIN_LABELLED_ROWS = 20  # accepted rows of a task from which its label balance tells anything

DATASET_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="quarantined-ratio",
        field="data",
        reason_ko="격리된 행의 비율이 {limit:.1%}를 넘습니다",
        reason_en="more than {limit:.1%} of the rows are quarantined",
        fix_ko="격리된 행을 고치거나 params.yaml의 expectations.data_set.quarantined_share를 키우세요",
        fix_en="mend the quarantined rows, or raise expectations.data_set.quarantined_ratio in params.yaml",
        maximum="quarantined_ratio",
    ),
    Rule(
        id="source-quarantined-ratio",
        field="data",
        reason_ko="한 데이터의 행 가운데 {limit:.1%}보다 많이 격리되었습니다",
        reason_en="more than {limit:.1%} of one source's rows are quarantined",
        fix_ko="seodang check로 그 파일을 보고 고치거나 ingest.sources에서 빼세요",
        fix_en="look at its files with seodang check and mend them, or take the source out of ingest.sources",
        maximum="source_quarantined_ratio",
    ),
    Rule(
        id="accepted-count",
        field="data",
        reason_ko="받아들인 행이 {limit:,}개보다 적습니다",
        reason_en="fewer than {limit:,} rows are accepted",
        fix_ko="데이터를 더하거나 params.yaml의 expectations.data_set.accepted_count를 낮추세요",
        fix_en="add data, or lower expectations.data_set.accepted_count in params.yaml",
        minimum="accepted_count",
    ),
    Rule(
        id="unique-ratio",
        field="data",
        reason_ko="서로 다른 행이 {limit:.1%}보다 적습니다",
        reason_en="less than {limit:.1%} of the rows are different from all others",
        fix_ko="같은 파일을 두 번 넣지 않았는지 보세요",
        fix_en="look whether one file was added twice",
        minimum="unique_ratio",
    ),
    Rule(
        id="language-ratio",
        field="data",
        reason_ko="한 언어의 비율이 정한 값보다 작습니다",
        reason_en="a language has a smaller share than is asked for",
        fix_ko="그 언어의 데이터를 더하거나 expectations.data_set.language_share를 낮추세요",
        fix_en="add data in that language, or lower expectations.data_set.language_ratio",
        minimum="language_ratio",
    ),
    Rule(
        id="label-ratio",
        field="data",
        reason_ko="한 과제의 답 가운데 하나가 {limit:.1%}를 넘습니다. 모델이 그 답만 배울 수 있습니다",
        reason_en="one answer makes up more than {limit:.1%} of a task: the model may learn to give just that",
        fix_ko="드문 답의 레코드를 더하거나 흔한 답을 줄이세요 (limit)",
        fix_en="add records with the rare answers, or take fewer of the common one (limit)",
        maximum="label_ratio",
    ),
    Rule(
        id="drift",
        field="data",
        reason_ko="지난번에 받아들인 데이터와 {limit}보다 많이 다릅니다 (0 같음, 1 전혀 다름)",
        reason_en="the set differs by more than {limit} from the last accepted one (0 same, 1 nothing in common)",
        fix_ko="바꾼 것이 뜻한 대로면 expectations.data_set.drift를 키우거나 warn으로 두세요",
        fix_en="if the change is meant, raise expectations.data_set.drift or let it warn",
        maximum="drift",
    ),
)


@dataclass(frozen=True, slots=True)
class DatasetMetric:
    """One figure of the set, under the rule that bounds it."""

    rule: Rule
    scope: str  # what it is of: the whole, a source, a language, a task
    value: float
    bound: float


@dataclass(slots=True)
class Tally:
    """What streamed by, counted."""

    rows: Counter[str] = field(default_factory=Counter)  # by source
    quarantined: Counter[str] = field(default_factory=Counter)  # by source
    languages: Counter[str] = field(default_factory=Counter)  # of accepted rows, as all below
    tasks: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    duplicates: int = 0

    def add(self, row: Row, *, accepted: bool, duplicate: bool) -> None:
        """Count one row; of an accepted one, every text is text."""
        self.rows[row["source"]] += 1
        self.duplicates += duplicate
        if not accepted:
            self.quarantined[row["source"]] += 1
            return
        self.languages[row["language"]] += 1
        self.tasks[row["task"]] += 1
        self.lengths[f"<2^{len(row['output']).bit_length()}"] += 1
        if row["choices"]:
            self.labels.setdefault(row["task"], Counter())[row["output"]] += 1

    def build_profile(self) -> Profile:
        """Return the shares by which the next run tells its drift."""
        return {
            name: compute_ratios(counts)
            for name, counts in (("language", self.languages), ("task", self.tasks), ("length", self.lengths))
        }


def compute_ratios(counts: Counter[str]) -> dict[str, float]:
    """Return each count's share of all, by name."""
    return {name: round(count / counts.total(), 6) for name, count in sorted(counts.items())}


def compute_distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the total variation distance of two distributions: half the sum of the differences, 0 to 1."""
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in {*one, *other}) / 2


def compute_metrics(tally: Tally, bounds: DatasetParams, last_profile: Profile | None) -> list[DatasetMetric]:
    """Return every figure that a rule which isn't off bounds, in the order of the rules.

    Args:
        tally: All rows, counted.
        bounds: From params.yaml.
        last: Profile of the last accepted run; None on the first run, which has no drift.

    """
    return [
        DatasetMetric(rule, scope, value, bound)
        for rule in DATASET_RULES
        if get_dataset_action(rule, bounds) != "off"
        for scope, value, bound in _compute_values(rule.id, tally, bounds, last_profile)
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


def _compute_label_ratios(tally: Tally, bound: float) -> Iterator[tuple[str, float, float]]:
    for task, labels in tally.labels.items():
        if labels.total() >= _MIN_LABELLED_ROWS:
            yield task, max(labels.values()) / labels.total(), bound
