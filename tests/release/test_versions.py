"""Versions of running services, and their place in the registry."""

import shutil

import pytest
from tests.constants import ROOT

from seodang.cli.main import main
from seodang.errors import ReleaseError
from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.registry.history import RegistryEvent, append_event
from seodang.release import versions
from seodang.release.versions import check_champion, roll_back_champion


@pytest.fixture
def paths(tmp_path, build_champion):
    """A registry in which v0.2.0 with tiny:2 took the place of v0.1.0 with tiny:1."""
    paths = Paths(tmp_path)
    champions = [build_champion(f"v0.{n}.0").model_copy(update={"model_tag": f"tiny:{n}"}) for n in (1, 2)]
    for champion, previous in zip(champions, (None, "v0.1.0"), strict=True):
        append_event(
            paths.history, RegistryEvent(action="promote", previous=previous, best=[], **champion.model_dump())
        )
    write_champion(paths.champion, champions[1], [])
    return paths


def test_the_version_of_the_old_service_is_that_of_the_registry(paths):
    assert check_champion(paths, "tiny:1", "tiny:2") == "v0.1.0"


def test_a_new_service_must_answer_with_the_champion(paths):
    with pytest.raises(ReleaseError, match="the champion is tiny:2"):
        check_champion(paths, "tiny:1", "tiny:3")


@pytest.mark.parametrize("reference", ["tiny:0", "tiny:2"])
def test_an_old_service_must_answer_with_an_earlier_version(paths, reference):
    with pytest.raises(ReleaseError, match="no earlier version"):
        check_champion(paths, reference, "tiny:2")


def test_a_rollback_that_was_recorded_is_not_recorded_again(paths, monkeypatch):
    calls = []
    monkeypatch.setattr(versions, "rollback", lambda _paths, reason, version: calls.append((reason, version)))
    roll_back_champion(paths, "v0.1.0", "canary: worse")
    roll_back_champion(paths, "v0.2.0", "canary: worse")
    assert calls == [("canary: worse", "v0.1.0")]


def test_a_watch_of_services_that_do_not_answer_may_be_tried_again(find_free_port, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    port = find_free_port()
    assert main(["canary", "watch", "--old", str(port), "--new", "1"]) == 75
    assert f"no service answers on port {port}" in capsys.readouterr().err
