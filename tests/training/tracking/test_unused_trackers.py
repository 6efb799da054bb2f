"""Trackers that nobody uses are not imported by the libraries that look for them."""

import importlib
import importlib.util
import sys

import pytest

from seodang.training.tracking import unused_trackers
from seodang.training.tracking.unused_trackers import hide_unused_trackers


@pytest.fixture
def trackers(tmp_path, monkeypatch):
    """Two modules that stand for trackers; importing them leaves no trace after the test."""
    names = ("tracker_in_use", "tracker_not_in_use")
    for name in names:
        (tmp_path / f"{name}.py").write_text("")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(unused_trackers, "_TRACKERS", names)
    yield names
    for name in names:
        sys.modules.pop(name, None)


def test_only_a_tracker_in_use_can_be_found_and_afterwards_each_one(trackers):
    used, unused = trackers
    with hide_unused_trackers([used]):
        assert importlib.util.find_spec(unused) is None
        with pytest.raises(ImportError):
            importlib.import_module(unused)
        assert importlib.import_module(used)
    assert importlib.import_module(unused)


def test_a_tracker_that_is_imported_already_stays(trackers):
    module = importlib.import_module(trackers[1])
    with hide_unused_trackers([]):
        assert sys.modules[trackers[1]] is module
    assert sys.modules[trackers[1]] is module


def test_all_can_be_found_after_an_import_that_failed(trackers):
    with pytest.raises(RuntimeError), hide_unused_trackers([]):
        raise RuntimeError
    assert importlib.util.find_spec(trackers[1]) is not None
