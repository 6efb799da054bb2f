from datetime import UTC, datetime, timedelta

import pytest
import yaml

from seodang.config.load import load_params
from seodang.config.yaml_file import read_yaml
from seodang.errors import SourceError
from seodang.orchestration import source_watch
from seodang.orchestration.source_watch import read_versions, update_state, watch
from seodang.paths import Paths

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
    reports = []
    (project / "data").mkdir()
    file = project / "data" / "rows.jsonl"
    file.write_text('{"instruction": "a", "output": "b"}\n')
    assert watch(project, 0, reports.append) == []
    file.write_text("\n".join(rows))
    assert watch(project, 0, reports.append) == ["data/rows.jsonl"]
    assert watch(project, 0, reports.append) == []
    assert reports == [["data/rows.jsonl"]]


def test_a_change_whose_report_fails_is_reported_by_the_next_look(project):
    def fail(_names):
        raise ConnectionError

    (project / "data").mkdir()
    file = project / "data" / "rows.jsonl"
    file.write_text('{"instruction": "a", "output": "b"}\n')
    watch(project, 0, pytest.fail)
    file.write_text('{"instruction": "a", "output": "c"}\n')
    with pytest.raises(ConnectionError):
        watch(project, 0, fail)
    reports = []
    watch(project, 0, reports.append)
    assert reports == [["data/rows.jsonl"]]


def test_a_clock_that_is_set_back_delays_a_report_by_the_quiet_time_at_most():
    state, _ = update_state(None, {"a": "1"}, START, 60)
    state, _ = update_state(state, {"a": "2"}, START, 60)
    state, _ = update_state(state, {"a": "2"}, START - timedelta(days=1), 60)
    assert update_state(state, {"a": "2"}, START - timedelta(days=1) + timedelta(seconds=60), 60)[1] == ["a"]


def test_a_server_that_does_not_answer_hides_no_change_of_another(project, monkeypatch):
    params = Paths(project).params
    sources = [{"name": name, "path": f"https://host/{name}", "sha256": "0" * 64} for name in ("a2", "a")]
    params.write_text(
        yaml.safe_dump({**read_yaml(params), "ingest": {"sources": sources}}, allow_unicode=True), "utf-8"
    )
    ingest = load_params(params).ingest

    def read(url):
        if url.endswith("/a"):
            raise SourceError("no answer")
        return {url: "new"}

    monkeypatch.setattr(source_watch, "_read_web_version", read)
    last = {"https://host/a": "old", "https://host/a2": "old"}
    assert read_versions(ingest, project, last) == {"https://host/a": "old", "https://host/a2": "new"}
