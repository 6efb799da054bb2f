"""Every damaged file gives what its line in tests/ingest/damaged/expected.yaml says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from seodang.cli.main import main

FOLDER = Path(__file__).parent / "damaged"
EXPECTED = yaml.safe_load((FOLDER / "expected.yaml").read_text("utf-8"))
UNUSABLE = [name for name, line in EXPECTED.items() if line["exit"] == 2]
USABLE = [name for name, line in EXPECTED.items() if line["exit"] != 2]
LARGEST = 4096  # bytes


@pytest.fixture(autouse=True)
def _in_a_folder_without_params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_table_names_every_file_and_no_other():
    files = {path.relative_to(FOLDER).as_posix() for kind in ("files", "rows") for path in (FOLDER / kind).iterdir()}
    assert files == set(EXPECTED)
    assert len(files) >= 60
    assert all((FOLDER / name).stat().st_size < LARGEST for name in files)


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used_ends_in_exit_2_and_is_told_why(name, capfd):
    assert main(["check", str(FOLDER / name), "--json"]) == 2
    out, err = capfd.readouterr()
    assert EXPECTED[name]["message"] in err
    assert Path(name).name in err
    assert "Traceback" not in out + err


@pytest.mark.slow
@pytest.mark.parametrize("name", USABLE)
def test_a_file_with_damaged_rows_loses_no_row_and_names_their_rules(name, capfd):
    expected = EXPECTED[name]
    assert main(["check", str(FOLDER / name), "--json"]) == expected["exit"]
    summary = json.loads(capfd.readouterr().out)
    assert (summary["rows"], summary["quarantined"]) == (expected["rows"], expected["quarantined"])
    assert summary["accepted"] + summary["quarantined"] == summary["rows"]
    assert set(expected["rules"]) <= set(summary["rules"])


def test_quarantine_holds_the_line_that_could_not_be_read_as_it_was(tmp_path):
    file = FOLDER / "files" / "lines_broken.jsonl"
    assert main(["check", str(file), "--report", str(tmp_path / "report")]) == 1
    quarantined = [
        json.loads(line) for line in (tmp_path / "report" / "quarantine.jsonl").read_text("utf-8").splitlines()
    ]
    lines = file.read_text("utf-8").splitlines()
    assert [(each["source_row"], each["row"].rstrip("\n")) for each in quarantined] == [
        (number, lines[number]) for number in range(1, 6)
    ]
