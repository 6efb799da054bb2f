from datetime import UTC, datetime, timedelta

import pytest

from seodang.orchestration.source_watch import update_state, watch

START = datetime(2026, 1, 1, tzinfo=UTC)


def look_each(seconds: int, versions: list[str], quiet: float = 60) -> list[list[str]]:
    """Return what is reported at each look at a file whose version is as listed."""
    state, reports = None, []
    for number, version in enumerate(versions):
        now = START + timedelta(seconds=seconds * number)
        state, changed = update_state(state, {"data/a.jsonl": version}, now, quiet)
        reports.append(changed)
    return reports


def test_five_changes_in_a_minute_are_one_report():
    versions = ["0", "1", "2", "3", "4", "5", *["5"] * 12]
    assert [number for number, changed in enumerate(look_each(10, versions)) if changed] == [11]


def test_the_first_look_and_unchanged_data_report_nothing():
    assert not any(look_each(100, ["0", "0", "0"]))


def test_a_change_that_is_taken_back_is_none():
    assert not any(look_each(30, ["0", "1", "0", "0", "0", "0"]))


def test_data_that_change_all_the_time_are_reported_all_the_same():
    reports = look_each(30, [str(number) for number in range(30)])
    assert sum(bool(changed) for changed in reports) == 1


def test_two_changes_far_apart_are_two_reports():
    versions = ["0", *["1"] * 5, *["2"] * 5]
    assert sum(bool(changed) for changed in look_each(30, versions)) == 2


def test_new_and_deleted_files_are_changes():
    state, _ = update_state(None, {"a": "1", "b": "1"}, START, 0)
    _, changed = update_state(state, {"b": "1", "c": "1"}, START, 0)
    assert changed == ["a", "c"]


@pytest.mark.parametrize("rows", [["changed"], []])
def test_a_file_of_a_source_is_watched_by_its_content(project, rows):
    (project / "data").mkdir()
    file = project / "data" / "rows.jsonl"
    file.write_text('{"instruction": "a", "output": "b"}\n')
    assert watch(project, 0) == []
    file.write_text("\n".join(rows))
    assert watch(project, 0) == ["data/rows.jsonl"]
    assert watch(project, 0) == []
