"""Expectations that Great Expectations lacks. Import this module only on use: the library takes seconds to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial

if TYPE_CHECKING:
    from pandas import Series

_METRIC = "column_values.free_of_findings"


class ColumnValuesFreeOfFindings(ColumnMapMetricProvider):  # type: ignore[misc]
    """Metric: whether a cell is "", which means that the rule of the column finds nothing in the row."""

    condition_metric_name = _METRIC

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Series, **_: Any) -> Series:
        return column == ""


class ExpectColumnValuesToBeFreeOfFindings(ColumnMapExpectation):  # type: ignore[misc]
    """Expect that a rule finds nothing in any row.

    The column holds the findings of a rule (location and excerpt), and "" for rows without one. With null instead of
    "", Great Expectations would leave those rows out of its ratios. The rules run before it because its expectations
    on pandas cannot check records of several fields, such as conversations.
    """

    map_metric = _METRIC
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id", "table", "column", "row_condition", "condition_parser")
    success_keys: ClassVar[tuple[str, ...]] = ("mostly",)
