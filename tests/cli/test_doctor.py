"""`seodang doctor`: lines of 100 columns, commands in one piece, its exit code, and the repair."""

from __future__ import annotations

import subprocess

import pytest
from rich.cells import cell_len

from seodang.cli.main import main


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the folder of a project without parameters, and with a stale lock."""
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(words, cwd=tmp_path, check=True)
    (tmp_path / ".dvc" / "tmp").mkdir(exist_ok=True)
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_text("")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("language", ["en", "ko"])
def test_lines_fit_100_columns_and_commands_are_in_one_piece(project, capsys, monkeypatch, language):
    monkeypatch.setenv("SEODANG_LANG", language)
    assert main(["doctor"]) == 2  # params.yaml is missing
    lines = capsys.readouterr().out.splitlines()
    assert max(cell_len(line) for line in lines if " $ " not in line) <= 100
    assert any(line.strip() == "$ seodang doctor --repair" for line in lines)
    starts = {line.index(word) for line in lines for word in (".dvc/tmp/rwlock", "$ seodang doctor") if word in line}
    assert len(starts) >= 1
    assert any(line.startswith({"en": "error ", "ko": "오류"}[language]) for line in lines)


def test_the_repair_removes_the_fault(project, capsys):
    main(["doctor", "--repair"])
    assert "no process holds one" in capsys.readouterr().out
    assert not (project / ".dvc" / "tmp" / "rwlock").exists()
