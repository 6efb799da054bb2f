import pytest
from tests.constants import ROOT

from seodang.orchestration.dvc_plan import describe_plan, parse_plan
from seodang.paths import Paths
from seodang.stages import STAGES


def test_stages_that_depend_on_a_changed_one_may_run_too():
    output = "'data/a.dvc' didn't change, skipping\nRunning stage 'evaluate':\n> seodang stage evaluate\n"
    plan = parse_plan(output, STAGES, Paths(ROOT))
    assert plan.changed == ("evaluate",)
    assert plan.dependent == ("gate", "report", "package")
    assert plan.unchanged == STAGES[: STAGES.index("evaluate")]
    assert describe_plan(plan)[1].endswith("gate, report, package")


def test_stages_outside_the_run_are_left_out():
    plan = parse_plan("Running stage 'base':\nRunning stage 'train':\n", ("train", "evaluate"), Paths(ROOT))
    assert (plan.changed, plan.dependent) == (("train",), ("evaluate",))


@pytest.mark.parametrize("output", ["", "Data and pipelines are up to date.\n"])
def test_nothing_to_do_is_said(output):
    assert describe_plan(parse_plan(output, ("base", "ingest"), Paths(ROOT))) == ["Unchanged: base, ingest"]
