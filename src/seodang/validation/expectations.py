"""Validate rows and data set with Great Expectations, and build its Data Docs.

Rows come in chunks to bound memory: each chunk is one validation run with its pages. The suite on rules has one column
for each rule; its results decide about the rows. The suite on fields is for readers of Data Docs and decides nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.config import ExpectationsParams
from seodang.ingest.rows import TEXTS
from seodang.io.atomic import remove_stale_parts
from seodang.validation.checks.rule import Rule
from seodang.validation.data_docs_pages import SITE_NAME, build_site_config, raise_page_errors
from seodang.validation.dataset_checks import DatasetMetric
from seodang.validation.suites import (
    create_dataset_expectation,
    create_field_expectations,
    create_rule_expectation,
    format_column,
)
from seodang.validation.validator import Columns

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation

RULE_SUITE = "instruction_records"
FIELD_SUITE = "instruction_fields"
DATASET_SUITE = "instruction_data_set"

_MAX_UNEXPECTED = 20  # unexpected values that the Data Docs show for each expectation on a rule
# The index list names every row; the query, a string that lists every row, is left out.
_ALL_ROWS = {
    "result_format": "COMPLETE",
    "return_unexpected_index_query": False,
    "partial_unexpected_count": _MAX_UNEXPECTED,
}
# Texts may be long and may hold personal data: the pages on fields show counts only.
_COUNTS = {"result_format": "SUMMARY", "partial_unexpected_count": 0}


@dataclass(slots=True)
class GxValidator:
    """A `Validator` that decides with Great Expectations."""

    context: EphemeralDataContext
    rules: Sequence[Rule]
    expectations: ExpectationsParams
    name: str  # of the data in the Data Docs; Great Expectations takes digits alone for a time and loses the page
    has_data_docs: bool
    _checkpoints: dict[str, Any] = field(default_factory=dict)  # by suite

    def check_rows(self, columns: Columns, count: int, title: str) -> dict[int, list[str]]:
        """Return the ids of the violated rules by row index, in the order of the rules; other rows are not in it.

        Args:
            columns: One column for each rule, and one for each text field.
            count: Number of rows.
            title: Name of the chunk in the Data Docs.

        Raises:
            RuntimeError: If Great Expectations does not name all the rows that it counts.

        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                rule.id: pd.Series(columns[rule.id], dtype="Float64" if rule.numeric else "object")
                for rule in self.rules
            },
            index=range(count),
        )

        def create_suite() -> list[Expectation]:  # once, for the first chunk
            return [create_rule_expectation(rule, self.expectations) for rule in self.rules]

        run_name = f"{self.name} {title}"
        results = self._run_suite(RULE_SUITE, create_suite, frame, run_name)
        if self.has_data_docs:
            self._describe_fields(columns, count, run_name)
        return _collect_violations({result.expectation_config.meta["rule"]: result for result in results}, self.rules)

    def check_dataset(self, metrics: Sequence[DatasetMetric]) -> list[DatasetMetric]:
        """Return the metrics of the data set that are out of bounds."""
        import pandas as pd

        if not metrics:
            return []
        frame = pd.DataFrame({format_column(metric): [float(metric.value)] for metric in metrics})
        results = self._run_suite(
            DATASET_SUITE,
            lambda: [create_dataset_expectation(metric, self.expectations) for metric in metrics],
            frame,
            self.name,
        )
        failed = {result.expectation_config.meta["rule"] for result in results if not result.success}
        return [metric for metric in metrics if format_column(metric) in failed]

    def _describe_fields(self, columns: Columns, count: int, run_name: str) -> None:
        """Add a page with Great Expectations' built-in expectations on instruction, input and output."""
        import pandas as pd

        frame = pd.DataFrame({name: pd.Series(columns[name], dtype="object") for name in TEXTS}, index=range(count))
        self._run_suite(FIELD_SUITE, lambda: create_field_expectations(self.rules, self.expectations), frame, run_name)

    def _run_suite(
        self, suite: str, create_suite: Callable[[], list[Expectation]], frame: pd.DataFrame, run_name: str
    ) -> list[ExpectationValidationResult]:
        """Run a suite on a frame, and return the results; an empty suite has none."""
        from great_expectations.core.run_identifier import RunIdentifier

        if suite not in self._checkpoints:
            expectations = create_suite()
            self._checkpoints[suite] = (
                _create_checkpoint(self.context, suite, expectations, has_data_docs=self.has_data_docs)
                if expectations
                else None
            )
        checkpoint = self._checkpoints[suite]
        if checkpoint is None:
            return []
        checkpoint_result = checkpoint.run(
            batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=run_name)
        )
        (run,) = checkpoint_result.run_results.values()
        for result in run.results:
            _check_computed(result)
        return list(run.results)


@contextmanager
def open_validator(
    rules: Sequence[Rule], expectations: ExpectationsParams, *, name: str, data_docs: Path | None
) -> Iterator[GxValidator]:
    """Yield a validator, and write its Data Docs to a folder when the block ends.

    The pages are built beside the folder and replace it in one step, so that a killed run leaves the previous ones.

    Args:
        rules: Rules that are not off.
        expectations: Section expectations of params.yaml.
        name: Name of the data in the Data Docs.
        data_docs: Folder for the Data Docs; None for none.

    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # Great Expectations sends nothing over the network
    staging = data_docs.with_name(f".{data_docs.name}.{os.getpid()}.part") if data_docs else None
    validator = GxValidator(_create_context(staging), rules, expectations, name, has_data_docs=staging is not None)
    if data_docs is None or staging is None:
        yield validator
        return
    remove_stale_parts(data_docs)
    try:
        with raise_page_errors():
            yield validator
        shutil.rmtree(staging / "static", ignore_errors=True)  # fonts and images that our pages do not use
        shutil.rmtree(data_docs, ignore_errors=True)
        staging.replace(data_docs)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _create_context(staging: Path | None) -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={SITE_NAME: build_site_config(staging)} if staging else {},
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _create_checkpoint(
    context: EphemeralDataContext, name: str, expectations: list[Expectation], *, has_data_docs: bool
) -> Any:
    import great_expectations as gx

    suite: ExpectationSuite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    action = gx.checkpoint.UpdateDataDocsAction
    return context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[action(name=SITE_NAME, site_names=[SITE_NAME])] if has_data_docs else [],
            result_format=_COUNTS if name == FIELD_SUITE else _ALL_ROWS,
        )
    )


def _collect_violations(
    results: Mapping[str, ExpectationValidationResult], rules: Sequence[Rule]
) -> dict[int, list[str]]:
    violations: dict[int, list[str]] = {}
    for rule in rules:
        result = results[rule.id].result
        indices, count = result["unexpected_index_list"] or [], result["unexpected_count"]
        if len(indices) != count:
            raise RuntimeError(f"Great Expectations counts {count} rows against {rule.id}, but names {len(indices)}")
        for index in indices:
            violations.setdefault(int(index), []).append(rule.id)
    return violations


def _check_computed(result: ExpectationValidationResult) -> None:
    """Raise RuntimeError if Great Expectations could not compute an expectation: that is no result."""
    information: Mapping[str, Any] = result.exception_info
    for error in [information] if "raised_exception" in information else information.values():
        if error["raised_exception"]:
            rule = result.expectation_config.meta["rule"]
            raise RuntimeError(f"Great Expectations could not compute {rule}: {error['exception_message']}")
