"""Precision and recall on labelled sentences; docs/korean-quality.md has the same figures."""

import pytest
from benchmarks.korean_quality import MEASUREMENTS, SECOND, Counts, build_rows, read_labelled
from tests.constants import ROOT

MAX_WRONG = {"polite and plain in one answer": 1, "answer that is not Korean": 1}
SCORES = MEASUREMENTS[:5]


@pytest.mark.parametrize(("name", "file", "count"), SCORES, ids=[file for _, file, _ in SCORES])
def test_marks_are_almost_never_wrong_and_few_findings_are_missed(name, file, count):
    counts = sum((count(label, text) for label, text, _ in read_labelled(file)), Counts(0, 0, 0))
    assert counts.wrong <= MAX_WRONG.get(name, 0)
    assert counts.right >= 0.94 * (counts.right + counts.missed)


@pytest.mark.parametrize("file", ["speech_levels", "particles", "languages", "repetitions"])
def test_each_score_has_a_labelled_set_and_a_blind_half(file):
    halves = [is_blind for _, _, is_blind in read_labelled(file)]
    assert len(halves) >= 150
    assert 0.4 < sum(halves) / len(halves) < 0.6


@pytest.mark.parametrize("page", ["korean-quality.md", "korean-quality.ko.md"])
def test_the_pages_have_the_measured_figures(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    figures = [row.split(" | ", 1)[1] for row in (*build_rows(), *build_rows(SECOND))]
    assert [row for row in figures if row not in text] == []
