"""The pages of the parameters name the stages that read each section, as dvc.yaml does."""

import re

import pytest
import yaml
from tests.constants import ROOT


@pytest.mark.parametrize("page", ["docs/parameters.md", "docs/parameters.ko.md"])
def test_each_section_has_one_row_with_the_stages_that_read_it(page):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    readers: dict[str, list[str]] = {}
    for stage, content in stages.items():
        names = [name for name in content.get("params", []) if isinstance(name, str)]
        for section in dict.fromkeys(name.partition(".")[0] for name in names):
            readers.setdefault(section, []).append(stage)
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    found = {name: names.split(", ") for name, names in rows if name in readers}
    assert found == readers
    assert len(rows) == len(dict(rows))
