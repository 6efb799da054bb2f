"""The pages of the parameters name the stages that read each section, as the stages declare it."""

import re

import pytest
from tests.constants import ROOT

from seodang.stages import STAGES, list_parameters, load_stage


@pytest.mark.parametrize("page", ["docs/parameters.md", "docs/parameters.ko.md"])
def test_each_section_has_one_row_with_the_stages_that_read_it(page):
    readers: dict[str, list[str]] = {}
    for stage in STAGES:
        for section in dict.fromkeys(name.partition(".")[0] for name in list_parameters(load_stage(stage))):
            readers.setdefault(section, []).append(stage)
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    found = {name: stages.split(", ") for name, stages in rows if name in readers}
    assert found == readers
    assert len(rows) == len(dict(rows))
