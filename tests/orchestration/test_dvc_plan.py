import pytest
from tests.constants import ROOT

from seodang.errors import WorkspaceError
from seodang.orchestration.dvc_plan import check_inputs, describe_plan, parse_plan
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


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "dvc.yaml").write_text("""
stages:
  base: {cmd: x, outs: [artifacts/base/model]}
  train: {cmd: x, deps: [artifacts/base], outs: [artifacts/train/adapter, artifacts/train/plots: {cache: false}]}
  evaluate: {cmd: x, deps: [src, artifacts/base/model, artifacts/train/adapter], outs: [artifacts/evaluate/scores.jsonl]}
  gate: {cmd: x, deps: [artifacts/evaluate]}
""")
    return Paths(tmp_path)


def test_a_run_from_a_later_stage_names_the_stages_whose_results_are_missing(paths):
    (paths.root / "artifacts/train/adapter").mkdir(parents=True)  # its plots are missing, which nothing needs
    with pytest.raises(
        WorkspaceError, match=r"evaluate needs the results of base, which .* set revision to an experiment"
    ):
        check_inputs(("evaluate", "gate"), paths)
    (paths.root / "artifacts/base/model").mkdir(parents=True)
    check_inputs(("evaluate", "gate"), paths)
    with pytest.raises(WorkspaceError, match="gate needs the results of evaluate, "):
        check_inputs(("gate",), paths)


def test_a_run_of_all_stages_needs_no_results(paths):
    check_inputs(("base", "train", "evaluate", "gate"), paths)
    check_inputs(STAGES, Paths(ROOT))
