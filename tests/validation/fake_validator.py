"""A validator without Great Expectations, whose start takes seconds. test_expectations.py shows that both decide alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seodang.config import ExpectationsParams
from seodang.validation.checks.rule import Rule, get_bound
from seodang.validation.dataset_checks import DatasetMetric
from seodang.validation.validator import Columns


@dataclass(slots=True)
class FakeValidator:
    """Decides by findings that are not "", and by metrics out of bounds."""

    rules: Sequence[Rule]
    expectations: ExpectationsParams
    titles: list[str] = field(default_factory=list)

    def check_rows(self, columns: Columns, count: int, title: str) -> dict[int, list[str]]:
        self.titles.append(title)
        violations = (
            [rule.id for rule in self.rules if self._is_violated(rule, columns[rule.id][index])]
            for index in range(count)
        )
        return {index: ids for index, ids in enumerate(violations) if ids}

    def check_dataset(self, metrics: Sequence[DatasetMetric]) -> list[DatasetMetric]:
        return [
            metric
            for metric in metrics
            if (metric.value < metric.bound if metric.rule.minimum else metric.value > metric.bound)
        ]

    def _is_violated(self, rule: Rule, value: str | float | None) -> bool:
        if not rule.numeric:
            return value != ""
        bound = get_bound(rule, self.expectations.limits)
        return value is not None and (value < bound if rule.minimum else value > bound)


@contextmanager
def open_fake_validator(
    rules: Sequence[Rule], expectations: ExpectationsParams, *, name: str, data_docs: Path | None
) -> Iterator[FakeValidator]:
    """Replace `seodang.validation.expectations.open_validator`; there are no Data Docs."""
    yield FakeValidator(rules, expectations)
