"""Let Great Expectations judge rows and set, and let it write its Data Docs. The only module that knows it.

Rows come in chunks, so that memory stays flat: each chunk is one validation run with a
page of its own. Every row arrives as figures and findings (checks/), a column a rule;
the library's verdict on these is the only one.
"""

from __future__ import annotations

import html
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.config import ExpectationsParams
from seodang.io.atomic import remove_stale_parts
from seodang.validation.checks.rule import Rule, format_rule, get_bound
from seodang.validation.dataset_checks import DatasetMetric, get_dataset_action

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.render.view import DefaultJinjaPageView

ROW_SUITE = "instruction_records"
DATASET_SUITE = "instruction_data_set"

_SITE = "seodang"
_MAX_UNEXPECTED = 20  # unexpected values shown for each expectation
_SEVERITIES = {"reject": "critical", "repair": "info", "warn": "warning"}

Columns = Mapping[
    str, Sequence[str | float | None]
]  # rule id -> a row's finding ("" for none) or figure (None for none)


@dataclass(slots=True)
class GxValidator:
    """Great Expectations, with the rules that aren't off."""

    context: EphemeralDataContext
    rules: Sequence[Rule]
    expectations: ExpectationsParams
    name: str  # of the data in the Data Docs; digits alone would be taken for a time there, and the page lost
    has_data_docs: bool  # whether there are Data Docs
    _runs: dict[str, Any] = field(default_factory=dict)  # suite -> checkpoint

    def check_rows(self, columns: Columns, count: int, title: str) -> dict[int, list[str]]:
        """Return the ids of the rules that each row breaks, in the order of the rules; rows that break none are not in it.

        Args:
            columns: One entry for each rule.
            count: Rows of the chunk.
            title: Which rows these are, for the Data Docs.

        Raises:
            RuntimeError: If Great Expectations doesn't name all the rows it counted: none may slip through.

        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                rule.id: pd.Series(columns[rule.id], dtype="Float64" if rule.numeric else "object")
                for rule in self.rules
            },
            index=range(count),
        )

        def create_suite() -> list[Expectation]:  # once, at the first chunk
            return [_create_row_expectation(rule, self.expectations) for rule in self.rules]

        results = self._run_suite(ROW_SUITE, create_suite, frame, f"{self.name} {title}")
        violations: dict[int, list[str]] = {}
        for rule in self.rules:
            result = results[rule.id].result
            indices = result["unexpected_index_list"] or []
            if len(indices) != result["unexpected_count"]:
                raise RuntimeError(
                    f"Great Expectations counts {result['unexpected_count']} rows against {rule.id}, but names {len(indices)}"
                )
            for number in indices:
                violations.setdefault(int(number), []).append(rule.id)
        return violations

    def check_dataset(self, metrics: Sequence[DatasetMetric]) -> list[DatasetMetric]:
        """Return the figures of the set that are out of bounds."""
        import pandas as pd

        if not metrics:
            return []
        frame = pd.DataFrame({_format_column(measure): [float(measure.value)] for measure in metrics})
        results = self._run_suite(
            DATASET_SUITE,
            lambda: [_create_dataset_expectation(measure, self.expectations) for measure in metrics],
            frame,
            self.name,
        )
        return [metric for metric in metrics if not results[_format_column(metric)].success]

    def _run_suite(self, suite: str, build: Any, frame: Any, run_name: str) -> dict[str, ExpectationValidationResult]:
        """Run a suite over a frame through its checkpoint, and return the results by rule."""
        from great_expectations.core.run_identifier import RunIdentifier

        if suite not in self._runs:
            self._runs[suite] = _create_checkpoint(self.context, suite, build(), has_data_docs=self.has_data_docs)
        checkpoint_result = self._runs[suite].run(
            batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=run_name)
        )
        (run,) = checkpoint_result.run_results.values()
        for result in run.results:
            _check_computed(result)
        return {result.expectation_config.meta["rule"]: result for result in run.results}


@contextmanager
def open_validator(
    rules: Sequence[Rule], expectations: ExpectationsParams, *, name: str, data_docs: Path | None
) -> Iterator[GxValidator]:
    """Yield a judge whose Data Docs take the place of `data_docs` when the block ends; without a place there are none.

    The pages are built beside it: a run that is killed leaves no half of them.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # nothing of the data leaves the machine
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    defaults = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    staging = data_docs.with_name(f".{data_docs.name}.{os.getpid()}.part") if data_docs else None
    sites = {_SITE: _build_site_config(staging)} if staging else {}
    config = DataContextConfig(
        store_backend_defaults=defaults,
        data_docs_sites=sites,
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    validator = GxValidator(
        gx.get_context(mode="ephemeral", project_config=config),
        rules,
        expectations,
        name,
        has_data_docs=staging is not None,
    )
    if data_docs is None or staging is None:
        yield validator
        return
    remove_stale_parts(data_docs)
    try:
        yield validator
        shutil.rmtree(staging / "static", ignore_errors=True)  # fonts and pictures for pages that we don't have
        shutil.rmtree(data_docs, ignore_errors=True)
        staging.replace(data_docs)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _create_checkpoint(
    context: EphemeralDataContext, name: str, expectations: list[Expectation], *, has_data_docs: bool
) -> Any:
    import great_expectations as gx

    suite: ExpectationSuite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    return context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[gx.checkpoint.UpdateDataDocsAction(name=_SITE, site_names=[_SITE])] if has_data_docs else [],
            # no query: a string that lists every row
            result_format={
                "result_format": "COMPLETE",
                "return_unexpected_index_query": False,
                "partial_unexpected_count": _MAX_UNEXPECTED,
            },
        )
    )


def _create_row_expectation(rule: Rule, expectations: ExpectationsParams) -> Expectation:
    import great_expectations.expectations as gxe

    from seodang.validation.custom_expectations import ExpectColumnValuesToBeFreeOfFindings

    limit = get_bound(rule, expectations.limits)
    arguments = _describe_rule(format_rule(rule, expectations.limits), getattr(expectations.actions, rule.action_field))
    if rule.numeric:
        return gxe.ExpectColumnValuesToBeBetween(
            column=rule.id, **({"min_value": limit} if rule.minimum else {"max_value": limit}), **arguments
        )
    return ExpectColumnValuesToBeFreeOfFindings(column=rule.id, **arguments)


def _create_dataset_expectation(metric: DatasetMetric, expectations: ExpectationsParams) -> Expectation:
    import great_expectations.expectations as gxe

    arguments = _describe_rule(
        format_dataset_rule(metric), get_dataset_action(metric.rule, expectations.dataset), _format_column(metric)
    )
    if metric.rule.minimum:
        return gxe.ExpectColumnMinToBeBetween(column=_format_column(metric), min_value=metric.bound, **arguments)
    return gxe.ExpectColumnMaxToBeBetween(column=_format_column(metric), max_value=metric.bound, **arguments)


def format_dataset_rule(metric: DatasetMetric) -> Rule:
    """Return the rule of a figure with its bound written into its texts."""
    from dataclasses import replace

    rule = metric.rule
    return replace(
        rule,
        **{
            name: getattr(rule, name).format(limit=metric.bound)
            for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")
        },
    )


def _format_column(metric: DatasetMetric) -> str:
    return f"{metric.rule.id}: {html.escape(metric.scope)}"


def _describe_rule(rule: Rule, action: str, id: str | None = None) -> dict[str, Any]:
    problem = f"없어야 할 일 · must not be: {rule.reason_ko} · {rule.reason_en}"
    fix = f"고치는 법 · what to do: {rule.fix_ko} · {rule.fix_en}"
    description = f"<strong>{id or rule.id}</strong> ({action})<br>{html.escape(problem)}<br>{html.escape(fix)}"
    return {
        "description": description,
        "severity": _SEVERITIES[action],
        "meta": {"rule": id or rule.id, "action": action},
    }


def _check_computed(result: ExpectationValidationResult) -> None:
    """Raise RuntimeError if the expectation could not be computed: that is no verdict."""
    information: Mapping[str, Any] = result.exception_info
    for error in [information] if "raised_exception" in information else information.values():
        if error["raised_exception"]:
            raise RuntimeError(
                f"Great Expectations could not compute {result.expectation_config.meta['rule']}: {error['exception_message']}"
            )


def _build_site_config(folder: Path) -> dict[str, Any]:
    page = {"module_name": __name__, "class_name": create_offline_page.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": page},
        "site_section_builders": {"expectations": {"view": page}, "validations": {"view": page}},
        "show_how_to_buttons": False,
    }


def create_offline_page() -> DefaultJinjaPageView:
    """Return Great Expectations' page with our templates before its own.

    Its own load scripts, styles and a picture from eight hosts: without a network the
    first page stays empty, and with one each reader is counted.
    """
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, FileSystemLoader

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([FileSystemLoader(Path(__file__).with_name("data_docs")), view.env.loader])
    return view
