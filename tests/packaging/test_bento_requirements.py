"""The packages of a bento: an installer that resolves dependencies can install them. Run: pytest tests/packaging"""

from __future__ import annotations

import sys
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.constants import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from lock_requirements import read_pins

FILES = ("requirements.lock", "src/seodang/packaging/bento_requirements.txt")


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
