"""Let Great Expectations judge the rows, and let it write its Data Docs. The only module that knows it.

Great Expectations on pandas cannot look into a value that may be text, a list or
nothing; so every row becomes scores that it can (what kind of value, how many
characters, which earlier row it repeats), and its verdict on these is the only one.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seodang.data.rows import SHOWN_CHARACTERS, TEXTS, Row, kind_of, shown
from seodang.data.rules import Rule, data_rules, row_rules
from seodang.params import ExpectationsParams
from seodang.records import normalise, record_id

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.render.view import DefaultJinjaPageView
    from pandas import DataFrame  # type: ignore[import-untyped]

ROW_SUITE = "instruction_records"
DATA_SUITE = "instruction_data_set"

_SITE = "seodang"
_INDEX_COLUMNS = ["line", "place"]  # line: in records.jsonl, from 1; place: the row at its source
_SAMPLED = 20  # unexpected values shown for each expectation
# Blanks, and letters that look like none: soft hyphen, Hangul fillers, zero-width and direction marks, Braille blank.
_INVISIBLE = re.compile("[\\s\u00ad\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2800\u3164\ufeff\uffa0]*")


@dataclass(frozen=True, slots=True)
class Failure:
    """One rule that one row breaks, with the score that Great Expectations found unexpected."""

    rule: Rule
    value: Any

    def found(self, row: Row) -> str:
        """Return what stands in the row, in at most 80 characters."""
        if self.rule.field == "record":
            return shown(html.unescape(str(self.value)))
        text = row[self.rule.field]
        if not self.rule.id.endswith(("-long", "-short", "-oversized")):
            return shown(text)
        count = f"{len(text):,} characters: "
        return count + shown(text, SHOWN_CHARACTERS - len(count))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Great Expectations found."""

    rows: int
    failures: dict[int, list[Failure]]  # by the row's number from 0; rows that pass are not in it
    data_failures: list[Failure]


def judge(rows: Iterable[Row], expectations: ExpectationsParams, *, run_name: str, data_docs: Path) -> Outcome:
    """Judge each row, then the set as a whole, and put the Data Docs in place.

    Args:
        rows: Taken once, as they stream by.
        expectations: The bounds.
        run_name: Names the data in the Data Docs; digits alone would be taken for a time there, and the page lost.
        data_docs: Folder that is replaced as a whole once its pages are complete.

    """
    frame = _frame(_scored(rows))
    with _context(data_docs) as context:
        failures = _row_failures(_run(context, ROW_SUITE, frame, row_rules(expectations), run_name))
        passed = [number not in failures for number in range(len(frame))]
        totals = _frame({"quarantined": [int(not each) for each in passed], "accepted": [int(each) for each in passed]})
        judged = _run(context, DATA_SUITE, totals, data_rules(expectations), run_name)
    return Outcome(len(frame), failures, [Failure(rule, result.result["observed_value"]) for rule, result in judged if not result.success])


def _frame(columns: dict[str, list[Any]]) -> DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values, dtype=_dtype(name)) for name, values in columns.items()})


def _dtype(column: str) -> str:
    """Return "object" for names, whose column may be empty, and a number that may be missing for all else."""
    return "object" if column in {*TEXTS, "place", "same_as"} or column.endswith("_kind") else "Int64"


def _scored(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Return the scores of the rows, column by column; no long text is kept."""
    columns: dict[str, list[Any]] = {}
    seen: dict[str, str] = {}
    for line, row in enumerate(rows, start=1):
        for name, value in _scores(line, row, seen).items():
            columns.setdefault(name, []).append(value)
    return columns


def _scores(line: int, row: Row, seen: dict[str, str]) -> dict[str, Any]:
    """Return one row's scores; `seen` has the place of the first row of each content, and grows by this row."""
    place = f"{row['file'] or row['source']}:{row['source_row']}"
    scores: dict[str, Any] = {"line": line, "place": html.escape(place), "same_as": ""}
    texts: list[str] = []
    for name in TEXTS:
        kind = "oversized" if name in row["oversized"] else kind_of(row[name])
        text = normalise(row[name]) if kind == "text" else None
        scores[name] = None if text is None else _visible(text)
        scores[f"{name}_kind"] = kind
        scores[f"{name}_characters"] = len(text) if text else None
        texts += [] if text is None else [text]
    if len(texts) == len(TEXTS) and scores["instruction"] and scores["output"]:
        key = record_id(*texts)
        scores["same_as"] = f"line {seen[key]}" if key in seen else ""
        seen.setdefault(key, f"{line} ({scores['place']})")
    return scores


def _visible(text: str) -> str:
    """Return the beginning of the text from its first visible letter; "" when it has none."""
    match = _INVISIBLE.match(text)
    begin = match.end() if match else 0
    return shown(text[begin : begin + SHOWN_CHARACTERS])


def _row_failures(judged: list[tuple[Rule, ExpectationValidationResult]]) -> dict[int, list[Failure]]:
    """Return the failures by row, in the order of the rules.

    Raises:
        RuntimeError: If Great Expectations doesn't name all the rows it counted: none may slip through.

    """
    failures: dict[int, list[Failure]] = {}
    for rule, result in judged:
        counted, named = result.result["unexpected_count"], result.result["unexpected_index_list"] or []
        if len(named) != counted:
            raise RuntimeError(f"Great Expectations counts {counted} rows against {rule.id}, but names {len(named)}")
        for index in named:
            failures.setdefault(int(index["line"]) - 1, []).append(Failure(rule, index[rule.column]))
    return failures


def _run(context: EphemeralDataContext, suite: str, frame: DataFrame, rules: list[Rule], run_name: str) -> list[tuple[Rule, ExpectationValidationResult]]:
    """Run a suite over a frame through a checkpoint, and return each rule with its result."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    expected = gx.ExpectationSuite(name=suite, expectations=[_expectation(rule) for rule in rules])
    batch = context.data_sources.add_pandas(suite).add_dataframe_asset(suite).add_batch_definition_whole_dataframe(suite)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=suite, data=batch, suite=context.suites.add(expected)))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=suite,
            validation_definitions=[definition],
            actions=[gx.checkpoint.UpdateDataDocsAction(name=_SITE, site_names=[_SITE])],
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [name for name in _INDEX_COLUMNS if name in frame],
                "return_unexpected_index_query": False,  # a string that lists every row
                "partial_unexpected_count": _SAMPLED,
            },
        )
    )
    outcome = checkpoint.run(batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=run_name))
    (run,) = outcome.run_results.values()
    results = {result.expectation_config.meta["rule"]: result for result in run.results}
    for rule in rules:
        _check_computed(rule, results[rule.id])
    return [(rule, results[rule.id]) for rule in rules]


def _expectation(rule: Rule) -> Expectation:
    import great_expectations.expectations as gxe

    make = getattr(gxe, rule.expectation)
    fault = f"없어야 할 일 · must not be: {rule.reason_ko} · {rule.reason_en}"
    fix = f"고치는 법 · what to do: {rule.fix_ko} · {rule.fix_en}"
    return make(column=rule.column, description=f"<strong>{rule.id}</strong><br>{fault}<br>{fix}", meta={"rule": rule.id}, **rule.arguments)


def _check_computed(rule: Rule, result: ExpectationValidationResult) -> None:
    """Raise RuntimeError if the expectation could not be computed: that is no verdict."""
    information: Mapping[str, Any] = result.exception_info
    for fault in [information] if "raised_exception" in information else information.values():
        if fault["raised_exception"]:
            raise RuntimeError(f"Great Expectations could not compute {rule.id}: {fault['exception_message']}")


@contextmanager
def _context(data_docs: Path) -> Iterator[EphemeralDataContext]:
    """Yield a context whose Data Docs take the place of `data_docs` when the block ends well.

    The pages are built beside it: a run that is killed leaves no half of them.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # nothing of the data leaves the machine
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    beside = data_docs.with_name(f".{data_docs.name}.{os.getpid()}.part")
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={_SITE: _site(beside)},
        progress_bars={"globally": sys.stderr.isatty()},
        analytics_enabled=False,
    )
    try:
        yield gx.get_context(mode="ephemeral", project_config=config)
        shutil.rmtree(beside / "static", ignore_errors=True)  # fonts and pictures for pages that we don't have
        shutil.rmtree(data_docs, ignore_errors=True)
        beside.replace(data_docs)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
