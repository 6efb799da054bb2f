import logging

import pytest

from seodang.orchestration.environment import build_environment, parse_log_line


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("WARNING\tsource a: 3 rows ignored\n", logging.WARNING, "source a: 3 rows ignored"),
        ("INFO\tverdict: promote\n", logging.INFO, "verdict: promote"),
        ("ERROR: failed to reproduce 'train'\n", logging.ERROR, "ERROR: failed to reproduce 'train'"),
        ("seodang: params.yaml cannot be used:\n", logging.ERROR, "seodang: params.yaml cannot be used:"),
        ("Running stage 'train':\n", logging.INFO, "Running stage 'train':"),
        ("\x1b[2J\x1b]0;title\x07seen\r\n", logging.INFO, "]0;titleseen"),
    ],
)
def test_a_line_has_the_level_that_its_program_gave_it(line, level, text):
    assert parse_log_line(line) == (level, text)


@pytest.mark.parametrize(
    "line",
    [
        "Updating lock file 'dvc.lock'",
        "To track the changes with git, run:",
        "\tgit add dvc.lock",
        "To enable auto staging, run:",
        "\tdvc config core.autostage true",
        "Use `dvc push` to send your updates to remote storage.",
        "WARNING: 'artifacts/validate/quarantine.jsonl' is empty.",
    ],
)
def test_hints_of_dvc_for_a_user_who_runs_it_by_hand_are_details(line):
    assert parse_log_line(line + "\n") == (logging.DEBUG, line)


def test_further_lines_of_an_error_have_its_level():
    assert parse_log_line("  train.rank: is missing\n", logging.ERROR)[0] == logging.ERROR
    assert parse_log_line("  epoch\n", logging.INFO)[0] == logging.INFO


def test_a_worktree_with_the_code_runs_this_code(tmp_path):
    assert str(tmp_path / "src") not in build_environment(tmp_path).get("PYTHONPATH", "")
    (tmp_path / "src" / "seodang").mkdir(parents=True)
    assert build_environment(tmp_path)["PYTHONPATH"].startswith(str(tmp_path / "src"))
