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
from seodang.io.atomic import sweep
from seodang.validation.checks.rule import Rule, bound, told
from seodang.validation.dataset_checks import Measure, action_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.render.view import DefaultJinjaPageView

ROW_SUITE = "instruction_records"
SET_SUITE = "instruction_data_set"

_SITE = "seodang"
_SAMPLED = 20  # unexpected values shown for each expectation
_SEVERITIES = {"reject": "critical", "repair": "info", "warn": "warning"}

Columns = Mapping[
    str, Sequence[str | float | None]
]  # rule id -> a row's finding ("" for none) or figure (None for none)


@dataclass(slots=True)
class Judge:
    """Great Expectations, with the rules that aren't off."""

    context: EphemeralDataContext
    rules: Sequence[Rule]
    expectations: ExpectationsParams
    name: str  # of the data in the Data Docs; digits alone would be taken for a time there, and the page lost
    documented: bool  # whether there are Data Docs
    _runs: dict[str, Any] = field(default_factory=dict)  # suite -> checkpoint

    def rows(self, columns: Columns, count: int, title: str) -> dict[int, list[str]]:
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
            return [_row_expectation(rule, self.expectations) for rule in self.rules]

        results = self._run(ROW_SUITE, create_suite, frame, f"{self.name} {title}")
        broken: dict[int, list[str]] = {}
        for rule in self.rules:
            result = results[rule.id].result
            named = result["unexpected_index_list"] or []
            if len(named) != result["unexpected_count"]:
                raise RuntimeError(
                    f"Great Expectations counts {result['unexpected_count']} rows against {rule.id}, but names {len(named)}"
                )
            for number in named:
                broken.setdefault(int(number), []).append(rule.id)
        return broken

    def whole(self, measures: Sequence[Measure]) -> list[Measure]:
        """Return the figures of the set that are out of bounds."""
        import pandas as pd

        if not measures:
            return []
        frame = pd.DataFrame({_column(measure): [float(measure.value)] for measure in measures})
        results = self._run(
            SET_SUITE, lambda: [_set_expectation(measure, self.expectations) for measure in measures], frame, self.name
        )
        return [measure for measure in measures if not results[_column(measure)].success]

    def _run(self, suite: str, make: Any, frame: Any, run_name: str) -> dict[str, ExpectationValidationResult]:
        """Run a suite over a frame through its checkpoint, and return the results by rule."""
        from great_expectations.core.run_identifier import RunIdentifier

        if suite not in self._runs:
            self._runs[suite] = _checkpoint(self.context, suite, make(), documented=self.documented)
        outcome = self._runs[suite].run(batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=run_name))
        (run,) = outcome.run_results.values()
        for result in run.results:
            _check_computed(result)
        return {result.expectation_config.meta["rule"]: result for result in run.results}


@contextmanager
def judging(
    rules: Sequence[Rule], expectations: ExpectationsParams, *, name: str, data_docs: Path | None
) -> Iterator[Judge]:
    """Yield a judge whose Data Docs take the place of `data_docs` when the block ends; without a place there are none.

    The pages are built beside it: a run that is killed leaves no half of them.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # nothing of the data leaves the machine
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    defaults = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    beside = data_docs.with_name(f".{data_docs.name}.{os.getpid()}.part") if data_docs else None
    sites = {_SITE: _site(beside)} if beside else {}
    config = DataContextConfig(
        store_backend_defaults=defaults,
        data_docs_sites=sites,
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    judge = Judge(
        gx.get_context(mode="ephemeral", project_config=config),
        rules,
        expectations,
        name,
        documented=beside is not None,
    )
    if data_docs is None or beside is None:
        yield judge
        return
    sweep(data_docs)
    try:
        yield judge
        shutil.rmtree(beside / "static", ignore_errors=True)  # fonts and pictures for pages that we don't have
        shutil.rmtree(data_docs, ignore_errors=True)
        beside.replace(data_docs)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _checkpoint(context: EphemeralDataContext, name: str, expectations: list[Expectation], *, documented: bool) -> Any:
    import great_expectations as gx

    suite: ExpectationSuite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    return context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[gx.checkpoint.UpdateDataDocsAction(name=_SITE, site_names=[_SITE])] if documented else [],
            # no query: a string that lists every row
            result_format={
                "result_format": "COMPLETE",
                "return_unexpected_index_query": False,
                "partial_unexpected_count": _SAMPLED,
            },
        )
    )


def _row_expectation(rule: Rule, expectations: ExpectationsParams) -> Expectation:
    import great_expectations.expectations as gxe

    from seodang.validation.custom_expectations import ExpectColumnValuesToBeFreeOfFindings

    limit = bound(rule, expectations.limits)
    described = _described(told(rule, expectations.limits), getattr(expectations.actions, rule.action))
    if rule.numeric:
        return gxe.ExpectColumnValuesToBeBetween(
            column=rule.id, **({"min_value": limit} if rule.minimum else {"max_value": limit}), **described
        )
    return ExpectColumnValuesToBeFreeOfFindings(column=rule.id, **described)


def _set_expectation(measure: Measure, expectations: ExpectationsParams) -> Expectation:
    import great_expectations.expectations as gxe

    described = _described(told_of(measure), action_of(measure.rule, expectations.data_set), _column(measure))
    if measure.rule.minimum:
        return gxe.ExpectColumnMinToBeBetween(column=_column(measure), min_value=measure.bound, **described)
    return gxe.ExpectColumnMaxToBeBetween(column=_column(measure), max_value=measure.bound, **described)


def told_of(measure: Measure) -> Rule:
    """Return the rule of a figure with its bound written into its texts."""
    from dataclasses import replace

    rule = measure.rule
    return replace(
        rule,
        **{
            name: getattr(rule, name).format(limit=measure.bound)
            for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")
        },
    )


def _column(measure: Measure) -> str:
    return f"{measure.rule.id}: {html.escape(measure.of)}"


def _described(rule: Rule, action: str, id: str | None = None) -> dict[str, Any]:
    fault = f"없어야 할 일 · must not be: {rule.reason_ko} · {rule.reason_en}"
    fix = f"고치는 법 · what to do: {rule.fix_ko} · {rule.fix_en}"
    description = f"<strong>{id or rule.id}</strong> ({action})<br>{html.escape(fault)}<br>{html.escape(fix)}"
    return {
        "description": description,
        "severity": _SEVERITIES[action],
        "meta": {"rule": id or rule.id, "action": action},
    }


def _check_computed(result: ExpectationValidationResult) -> None:
    """Raise RuntimeError if the expectation could not be computed: that is no verdict."""
    information: Mapping[str, Any] = result.exception_info
    for fault in [information] if "raised_exception" in information else information.values():
        if fault["raised_exception"]:
            raise RuntimeError(
                f"Great Expectations could not compute {result.expectation_config.meta['rule']}: {fault['exception_message']}"
            )


def _site(folder: Path) -> dict[str, Any]:
    page = {"module_name": __name__, "class_name": offline_page.__name__}
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": page},
        "site_section_builders": {"expectations": {"view": page}, "validations": {"view": page}},
        "show_how_to_buttons": False,
    }


def offline_page() -> DefaultJinjaPageView:
    """Return Great Expectations' page with our templates before its own.

    Its own load scripts, styles and a picture from eight hosts: without a network the
    first page stays empty, and with one each reader is counted.
    """
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, FileSystemLoader

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([FileSystemLoader(Path(__file__).with_name("data_docs")), view.env.loader])
    return view
