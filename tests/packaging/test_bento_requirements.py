"""The packages of a bento: an installer that resolves dependencies can install them. Run: pytest tests/packaging"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import distributions

import pytest
from bentoml._internal.bento.build_config import PythonOptions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.constants import ROOT

from seodang.packaging.bento import _load_build_settings

sys.path.insert(0, str(ROOT / "tools"))
from lock_requirements import read_pins

REQUIREMENTS = "src/seodang/packaging/bento_requirements.txt"
FILES = ("requirements.lock", REQUIREMENTS)


@pytest.mark.parametrize("file", FILES)
def test_every_pinned_version_is_one_that_the_other_packages_accept(file):
    """`pip install -r` and `bentoml containerize` resolve the pins together and refuse a contradiction."""
    pins = dict(pin.split("==") for pin in read_pins((ROOT / file).read_text("utf-8")))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    refused = []
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if canonicalize_name(name) not in pins:
            continue
        for text in distribution.requires or ():
            requirement = Requirement(text)
            version = pins.get(canonicalize_name(requirement.name))
            is_needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if is_needed and version and not requirement.specifier.contains(version, prereleases=True):
                refused.append(f"{name} needs {text}, but the pin is {version}")
    assert refused == []


def test_a_bento_is_built_in_a_hidden_folder_such_as_the_worktree_of_a_flow_run(tmp_path, monkeypatch):
    project = tmp_path / ".seodang" / "runs" / "tree"
    (project / REQUIREMENTS).parent.mkdir(parents=True)
    shutil.copy(ROOT / "bentofile.yaml", project)
    shutil.copy(ROOT / REQUIREMENTS, project / REQUIREMENTS)
    monkeypatch.chdir(project)
    options = PythonOptions(**_load_build_settings(project)["python"]).with_defaults()
    options.write_to_bento(tmp_path / "bento", str(project))
    written = (tmp_path / "bento" / "env" / "python" / "requirements.txt").read_text().splitlines()
    wanted = [line for line in (ROOT / REQUIREMENTS).read_text().splitlines() if not line.startswith("#")]
    assert written[: len(wanted)] == wanted
