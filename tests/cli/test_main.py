"""The complete command line: help, usage errors, languages, exit codes."""

import os
import subprocess
import sys

import pytest

from seodang.cli.main import main

COMMANDS = (
    "run",
    "stage",
    "plan",
    "check",
    "constrain",
    "compare",
    "doctor",
    "gate",
    "judge",
    "study",
    "registry",
    "profile",
    "config",
    "report",
    "serve",
)


def test_the_help_lists_every_command_in_100_columns(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {command} " in out for command in COMMANDS)
    assert max(map(len, out.splitlines())) <= 100
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_in_one_language(command, capsys, monkeypatch):
    assert main([command, "--help"]) == 0
    english = capsys.readouterr().out
    assert not any("가" <= letter <= "힣" for letter in english)
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert main([command, "--help"]) == 0
    korean = capsys.readouterr().out
    assert any("가" <= letter <= "힣" for letter in korean)
    assert "Show this message" not in korean


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "there is no command 'nope'"),
        (["gate", "--candidate", "a"], "--champion is missing"),
        (["stage", "nope"], "there is no stage 'nope'; the stages are inputs, base, ingest"),
        (["check", "--nope", "a"], "there is no option --nope"),
        (["judge"], "is missing"),
    ],
)
def test_a_wrong_word_is_named_and_ends_with_2(words, message, capsys):
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_without_a_command_the_help_is_printed(capsys):
    for words in ([], ["registry"], ["profile"], ["config"]):
        assert main(words) == 0
        assert "Commands:" in capsys.readouterr().out


def test_an_unexpected_error_ends_with_70_and_says_how_to_see_more(capsys, monkeypatch):
    def fail(**_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("seodang.cli.report.print_summary", lambda _: fail())
    assert main(["report"]) == 70
    assert "--debug" in capsys.readouterr().err


def test_errors_are_in_the_language_of_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEODANG_LANG")
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert main(["config", "show"]) == 2
    assert "params.yaml" in (korean := capsys.readouterr().err)
    assert any("가" <= letter <= "힣" for letter in korean)
    monkeypatch.setenv("SEODANG_LANG", "en")  # stronger than LANG
    assert main(["config", "show"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_the_help_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'great_expectations', 'bentoml'}"
    code = f"import sys; from seodang.cli.main import main; main(['--help']); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.endswith("set()\n")
