"""Tests that take minutes of load run only with their own option. Run: pytest tests/contract/test_selection.py"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import pytest_collection_modifyitems
from tests.constants import ROOT


def make_item(*marks: str) -> SimpleNamespace:
    return SimpleNamespace(path=Path(" ".join(marks)), get_closest_marker=lambda mark: mark if mark in marks else None)


@pytest.mark.parametrize("has_option", [False, True])
def test_a_soak_test_runs_with_its_own_option_only_whatever_is_selected(has_option):
    quick, soak, slow, both = items = [make_item(), make_item("soak"), make_item("slow"), make_item("slow", "soak")]
    deselected = []
    hook = SimpleNamespace(pytest_deselected=lambda items: deselected.extend(items))
    config = SimpleNamespace(hook=hook, getoption=lambda name: {"--soak": has_option}[name])
    pytest_collection_modifyitems(config, items)
    assert items == ([slow, both, quick, soak] if has_option else [slow, quick])
    assert deselected == ([] if has_option else [soak, both])


def test_this_run_has_no_soak_test_without_the_option(request):
    soaks = [item for item in request.session.items if item.get_closest_marker("soak")]
    assert request.config.getoption("--soak") or not soaks


def test_make_soak_has_the_option_and_no_other_target_has():
    lines = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "--soak" in line]
    assert len(lines) == 1
    assert "-m soak" in lines[0]
