from dataclasses import replace

import pytest
from flows import tables

from seodang.reports.evaluation.comparison import Estimate
from seodang.reports.evaluation.task_scores import TaskScore

MANIFEST = {"rows": 12, "sources": [{"name": "own", "licence": "CC0-1.0", "rows_read": 13, "rows_written": 12}]}
RESULT = {
    "against": "base",
    "metric": "loss",
    "candidate": 1.0,
    "reference": 1.5,
    "difference": 0.5,
    "low": 0.2,
    "high": 0.8,
    "higher_is_better": False,
    "passed": True,
}


def test_the_funnel_counts_rows_from_the_sources_to_the_splits_with_reasons():
    rows = tables.build_funnel_rows(
        MANIFEST,
        {"accepted": 10, "by_rule": {"blank_output": 2}},
        {"splits": {"train": 8, "test": 1}, "left_out": {"leak": 1, "cap": 0}},
    )
    assert [(row["step"], row["count"], row["reasons"]) for row in rows] == [
        ("read from the sources", 13, "–"),
        ("records", 12, "–"),
        ("accepted", 10, "blank_output 2"),
        ("split train", 8, "–"),
        ("split test", 1, "–"),
        ("left out of the splits", 1, "leaks 1"),
    ]


def test_the_reasons_are_in_the_language_of_the_terminal(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    *_, last = tables.build_funnel_rows({}, {}, {"left_out": {"exact_duplicate": 2}})
    assert "exact_duplicate" not in str(last)


def test_scores_have_the_interval_of_the_difference():
    score = TaskScore("sentiment", "ko", "accuracy", 2, "zero_shot/plain", 0.5, 1.0, Estimate(0.5, 0.1, 0.9, 2))
    (row, single) = tables.build_score_rows([score, replace(score, difference=Estimate(0.5, None, None, 1))])
    assert list(row.values()) == [
        *("sentiment", "ko", "0.500", "1.000", "0.500 (0.100 … 0.900)"),
        *(2, "accuracy", "zero_shot/plain"),
    ]
    assert single["difference (interval)"] == "0.500"


def test_sources_are_listed_with_their_licence():
    assert tables.build_source_rows(MANIFEST) == [
        {"source": "own", "licence": "CC0-1.0", "rows read": 13, "records written": 12}
    ]


def test_comparisons_have_intervals_and_leave_out_results_without():
    (row,) = tables.build_comparison_rows({"results": [RESULT, {"against": "champion"}]})
    assert (row["against"], row["tasks"], row["group"], row["met"]) == ("base", "–", "–", "yes")
    assert row["difference (interval)"] == "-0.500 (-0.800 … -0.200)"


@pytest.mark.parametrize(
    ("name", "part"), [("tiny-1", "--rev tiny-1 -o tiny-1/data_card"), (None, "data_card/index.html")]
)
def test_pages_are_fetched_from_the_experiment_or_opened_in_the_project(name, part):
    assert part in tables.render_page_commands(name)


def test_a_plan_shows_changed_parameters_and_files_that_are_left_out():
    text = tables.render_plan("run", ["Unchanged: base"], {"train.rank": (16, 4)}, ["data/<b>.jsonl"])
    assert "| train.rank | 16 | 4 |" in text
    assert "data/&lt;b&gt;.jsonl" in text


def test_every_report_can_be_empty():
    assert len(tables.build_funnel_rows({}, {}, {})) == 4
    assert tables.build_comparison_rows({}) == tables.build_source_rows({}) == []
    assert "–" in tables.render_package({})
