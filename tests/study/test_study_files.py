"""The shipped study files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.config.curve import CurveParams
from seodang.config.load import parse_section
from seodang.config.study import StudyParams
from seodang.config.yaml_file import read_yaml

FILES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_study_file_can_be_used(file: Path):
    content = read_yaml(file)
    assert parse_section(CurveParams if "records" in content else StudyParams, content, file.name).evaluate.shots
