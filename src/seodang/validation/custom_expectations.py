"""Expectations that Great Expectations lacks. Imported only where it is used: the library takes seconds to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial

if TYPE_CHECKING:
    from pandas import Series

_METRIC = "column_values.free_of_findings"


class ColumnValuesFreeOfFindings(ColumnMapMetricProvider):  # type: ignore[misc]
    """Metric: whether a row's cell is "", that is, whether the rule of the column found nothing in it."""

    condition_metric_name = _METRIC

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: Series, **_: Any) -> Series:
        return column == ""


class ExpectColumnValuesToBeFreeOfFindings(ColumnMapExpectation):  # type: ignore[misc]
    """Expect that a rule found nothing in any row.

    The column holds what the rule found (place and text), and "" where it found nothing, not null: shares are
    of all rows then. Great Expectations on pandas can't look into a record of several fields, conversations
    among them.
    """

    map_metric = _METRIC
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id", "table", "column", "row_condition", "condition_parser")
    success_keys: ClassVar[tuple[str, ...]] = ("mostly",)
