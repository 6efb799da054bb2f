"""The commands of docs/first-task.md give the output on the page."""

from __future__ import annotations

import re

import pytest
from tests.constants import ROOT

from seodang.cli.main import main

PAGE = (ROOT / "docs" / "first-task.md").read_text("utf-8")
BLOCKS = [block.split("\n", 1) for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)]


def test_the_page_has_three_commands_with_output():
    assert [command.split()[1] for command, _output in BLOCKS] == ["check", "check", "init"]


@pytest.mark.parametrize(("command", "output"), BLOCKS)
def test_a_command_gives_the_output_on_the_page(
    clone, make_user_files, monkeypatch, capsys, fake_validator, command, output
):
    make_user_files().rename(clone / "mine")
    monkeypatch.chdir(clone)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("seodang.setup.proposal.find_spec", lambda _name: None)
    monkeypatch.setattr("seodang.cli.init._track", lambda _root, _paths: True)  # the page has a git repository
    assert main(command.split()[1:]) == 0
    assert capsys.readouterr().out == output
