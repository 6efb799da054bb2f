import pytest
from tests.constants import ROOT

from seodang.orchestration.dvc_plan import describe_plan, parse_plan
from seodang.paths import Paths
from seodang.stages import STAGES


def test_stages_that_depend_on_a_changed_one_may_run_too():
    lines = ["a warning", '{"evaluate": [{"changed deps": {"params.yaml": {"evaluate.shots": "modified"}}}]}']
    plan = parse_plan(lines, STAGES, Paths(ROOT))
    assert plan.changed == ("evaluate",)
    assert plan.dependent == ("gate", "report", "package")
    assert plan.unchanged == STAGES[: STAGES.index("evaluate")]
    assert describe_plan(plan)[1].endswith("gate, report, package")


def test_stages_outside_the_run_and_data_files_are_left_out():
    plan = parse_plan(['{"base": [], "train": ["always changed"], "a.dvc": []}'], ("train", "evaluate"), Paths(ROOT))
    assert (plan.changed, plan.dependent) == (("train",), ("evaluate",))


@pytest.mark.parametrize("lines", [[], ["{}"]])
def test_nothing_to_do_is_said(lines):
    assert describe_plan(parse_plan(lines, ("base", "ingest"), Paths(ROOT))) == ["Unchanged: base, ingest"]
