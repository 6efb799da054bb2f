"""Where the rows of each source went."""

from seodang.preflight.row_counts import build_loss_warnings, count_rows
from seodang.preflight.row_table import format_rows

MANIFEST = {"sources": [{"name": "faq", "rows_written": 840}]}
VALIDATION = {
    "by_source": {"faq": {"rows": 840, "accepted": 500, "quarantined": 340, "rules": {"too-many-tokens": 300}}}
}
PREPARATION = {
    "by_source": {
        "faq": {
            "accepted": 500,
            "exact_duplicate": 20,
            "near_duplicate": 30,
            "leak": 10,
            "weight": 0,
            "cap": 40,
            "replay": 0,
            "undesirable": 0,
            "train": 320,
            "validation": 10,
            "test": 70,
            "unseen": 0,
        }
    }
}


def test_every_row_is_accounted_for():
    [rows] = count_rows(MANIFEST, VALIDATION, PREPARATION, {"faq": 5})
    assert rows.read == 840
    assert (rows.quarantined, rows.too_long, rows.duplicates, rows.leaks) == (40, 305, 50, 10)
    assert (rows.mixed_out, rows.held_out, rows.learned) == (40, 80, 315)
    assert rows.lost + rows.mixed_out + rows.held_out + rows.learned == rows.read


def test_a_source_that_lost_many_rows_is_named_with_the_cause_and_the_value_that_would_do():
    [warning] = build_loss_warnings(count_rows(MANIFEST, VALIDATION, PREPARATION, {"faq": 5}), 187)
    text = warning
    assert "source faq: 405 of 840 rows (48%) are lost" in text
    assert "train.max_length; 187 would read them all" in text


def test_a_source_that_lost_few_rows_is_not_worth_a_warning():
    preparation = {"by_source": {"faq": {"train": 700, "test": 100, "leak": 40}}}
    rows = count_rows(MANIFEST, {"by_source": {"faq": {"accepted": 840, "quarantined": 0}}}, preparation, {})
    assert build_loss_warnings(rows, None) == []


def test_the_table_names_each_source_once_within_100_columns():
    lines = format_rows(count_rows(MANIFEST, VALIDATION, PREPARATION, {}))
    assert next(line for line in lines if line.startswith("faq")).split() == "faq 840 40 300 50 10 40 80 320".split()
    assert max(map(len, lines)) <= 100
