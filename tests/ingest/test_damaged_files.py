"""Every damaged file gives the result in its line of tests/ingest/damaged/expected.yaml.

Great Expectations takes seconds to start, so one `seodang check` reads all files, and each test asserts on one file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from seodang.config.load import merge_overlay
from seodang.config.profiles import read_starter

FOLDER = Path(__file__).parent / "damaged"
EXPECTED = yaml.safe_load((FOLDER / "expected.yaml").read_text("utf-8"))
UNUSABLE = [name for name, line in EXPECTED.items() if line["exit"] == 2]
USABLE = [name for name, line in EXPECTED.items() if line["exit"] != 2]
CROSS_ROW_RULES = {
    "duplicate",
    *("contradiction", "pair-both-orders", "label-conflict"),
}  # the files share their good rows, so one check of all would find these
CROSS_ROW_FILES = [name for name in USABLE if CROSS_ROW_RULES & set(EXPECTED[name]["rules"])]
LARGEST = 4096  # bytes


def check(folder: Path, names: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run `seodang check` over files of the damaged folder."""
    files = [str(FOLDER / name) for name in names]
    return subprocess.run(
        [sys.executable, "-m", "seodang", "check", *files, *options],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def iter_lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="\n") as lines:  # a text may hold other line ends
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def refusal(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One check of all unusable files."""
    return check(tmp_path_factory.mktemp("unusable"), UNUSABLE, "--json")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of one check of all usable files, without the rules that compare rows of different files."""
    folder = tmp_path_factory.mktemp("usable")
    off = {"expectations": {"actions": {rule.replace("-", "_"): "off" for rule in CROSS_ROW_RULES}}}
    params = yaml.safe_dump(merge_overlay(read_starter(), off), allow_unicode=True)
    (folder / "params.yaml").write_text(params, "utf-8")
    finished = check(folder, USABLE, "--report", "report")
    assert finished.returncode == 1, finished.stderr
    return folder / "report"


def test_the_table_names_every_file_and_no_other():
    files = {path.relative_to(FOLDER).as_posix() for kind in ("files", "rows") for path in (FOLDER / kind).iterdir()}
    assert files == set(EXPECTED)
    assert len(files) >= 60
    assert all((FOLDER / name).stat().st_size < LARGEST for name in files)


def test_unusable_files_end_in_exit_2_without_a_traceback(refusal):
    assert refusal.returncode == 2
    assert "Traceback" not in refusal.stdout + refusal.stderr


@pytest.mark.parametrize("name", UNUSABLE)
def test_the_message_about_an_unusable_file_names_it_and_the_cause(refusal, name):
    (line,) = [line for line in refusal.stderr.splitlines() if f"/{name}" in line]
    assert EXPECTED[name]["message"] in line


@pytest.mark.parametrize("name", [name for name in USABLE if name not in CROSS_ROW_FILES])
def test_a_file_with_damaged_rows_loses_no_row_and_names_their_rules(report, name):
    expected = EXPECTED[name]
    accepted, quarantined = (
        [line for line in iter_lines(report / file) if line["file"].endswith(f"/{name}")]
        for file in ("accepted.jsonl", "quarantine.jsonl")
    )
    assert len(accepted) + len(quarantined) == expected["rows"]
    assert len(quarantined) == expected["quarantined"]
    assert bool(quarantined) == bool(expected["exit"])
    rules = {rule["id"] for line in (*accepted, *quarantined) for rule in (*line["rules"], *line.get("repairs", []))}
    assert set(expected["rules"]) <= rules


@pytest.mark.slow
@pytest.mark.parametrize("name", CROSS_ROW_FILES)
def test_rows_that_repeat_or_contradict_each_other_are_rejected(tmp_path, name):
    expected = EXPECTED[name]
    finished = check(tmp_path, [name], "--json")
    assert finished.returncode == expected["exit"]
    summary = json.loads(finished.stdout)
    assert (summary["rows"], summary["quarantined"]) == (expected["rows"], expected["quarantined"])
    assert summary["accepted"] + summary["quarantined"] == summary["rows"]
    assert set(expected["rules"]) <= set(summary["rules"])


def test_quarantine_holds_an_unreadable_line_as_it_was(report):
    name = "files/lines_broken.jsonl"
    quarantined = [line for line in iter_lines(report / "quarantine.jsonl") if line["file"].endswith(f"/{name}")]
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    assert [(line["source_row"], line["row"].rstrip("\n")) for line in quarantined] == [
        (number, lines[number]) for number in range(1, 6)
    ]
