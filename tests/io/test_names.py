"""Names that macOS wrote (NFD) and names with brackets are found."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from seodang.cli.main import main
from seodang.errors import SourceError
from seodang.ingest.fetch.local import find_local_files
from seodang.io.names import find_path

NFC, NFD = (unicodedata.normalize(form, "한글 자료") for form in ("NFC", "NFD"))
ROW = '{"instruction": "하나 더하기 하나는?", "output": "둘입니다."}\n'


@pytest.mark.parametrize(("disk", "typed"), [(NFD, NFC), (NFC, NFD)])
@pytest.mark.parametrize("pattern", ["{0}/{0}.jsonl", "{0}", "{0}/*.jsonl", "{0}/{0}*", "*/{0}.jsonl", "**/{0}.js*"])
def test_a_name_in_the_other_normalization_is_found(tmp_path: Path, disk: str, typed: str, pattern: str):
    (tmp_path / disk).mkdir()
    file = tmp_path / disk / f"{disk}.jsonl"
    file.write_text(ROW, "utf-8")
    assert [found.path for found in find_local_files(pattern.format(typed), tmp_path)] == [file]


def test_the_exact_name_comes_first(tmp_path: Path):
    for name in (NFC, NFD):
        (tmp_path / name).write_text(name, "utf-8")
    if len(list(tmp_path.iterdir())) == 2:  # some file systems normalize
        assert [find_path(tmp_path / name).read_text("utf-8") for name in (NFC, NFD)] == [NFC, NFD]


def test_a_missing_name_stays_as_it_was_typed(tmp_path: Path):
    assert find_path(tmp_path / NFC / "a.jsonl") == tmp_path / NFC / "a.jsonl"
    with pytest.raises(SourceError, match="does not exist"):
        find_local_files(f"{NFC}/a.jsonl", tmp_path)


@pytest.mark.parametrize("folder", ["[v2] 자료", "자료[1]", "a[b", "a]b", "[!x]"])
@pytest.mark.parametrize("pattern", ["{}/*.jsonl", "{}/**/*.jsonl", "*/{}/*.jsonl", "{}/a.json?"])
def test_a_folder_with_brackets_is_found_by_a_glob(tmp_path: Path, folder: str, pattern: str):
    inside = tmp_path / "x" / folder if pattern.startswith("*") else tmp_path / folder
    inside.mkdir(parents=True)
    (inside / "a.jsonl").write_text(ROW, "utf-8")
    assert [found.path for found in find_local_files(pattern.format(folder), tmp_path)] == [inside / "a.jsonl"]


def test_brackets_still_choose_among_letters(tmp_path: Path):
    for name in ("a1.jsonl", "a2.jsonl", "a3.jsonl"):
        (tmp_path / name).write_text(ROW, "utf-8")
    assert [found.path.name for found in find_local_files("a[12].jsonl", tmp_path)] == ["a1.jsonl", "a2.jsonl"]


@pytest.mark.usefixtures("fake_validator")
def test_check_reads_a_file_from_macos(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / f"{NFD}.jsonl").write_text(ROW, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["check", f"{NFC}.jsonl"]) == 0
    assert "rows 1" in capsys.readouterr().out


@pytest.mark.parametrize("pattern", ["data", "data/*.jsonl", "data/{}"])
def test_a_name_of_korean_windows_is_refused_with_the_command_that_converts_it(tmp_path: Path, pattern: str):
    name = os.fsdecode("한글".encode("cp949") + b".jsonl")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text(ROW, "utf-8")
    with pytest.raises(SourceError, match=r"is not UTF-8.*convmv -f cp949 -t utf-8 -r --notest"):
        find_local_files(pattern.format(name), tmp_path)


@pytest.mark.parametrize("locale", ["C", pytest.param("POSIX", marks=pytest.mark.slow)])
def test_a_korean_name_is_read_in_a_locale_without_utf8(tmp_path: Path, locale: str):
    (tmp_path / "한글.jsonl").write_text(ROW, "utf-8")
    variables = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "SEODANG_LANG": "en"}
    command = [sys.executable, "-m", "seodang", "check", "한글.jsonl", "--report", "결과"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\ud55c\\uae00.jsonl: alpaca" in done.stdout  # the terminal's encoding stays
    assert (tmp_path / "결과" / "accepted.jsonl").exists()
