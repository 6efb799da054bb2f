"""dvc.yaml, params.yaml and the code say the same."""

import re
import sys
from pathlib import Path

import grimp
import pytest
import yaml

from seodang.config import Params
from seodang.stages import STAGES, load_stage, list_sections

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import write_check_yaml  # noqa: E402
from write_dvc_yaml import SOURCE, code_of, imported_modules, is_exempt, path_of  # noqa: E402


@pytest.fixture(scope="module")
def stages() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("seodang")


def test_dvc_yaml_has_the_stages_of_the_dispatcher_in_their_order(stages):
    assert tuple(stages) == STAGES


@pytest.mark.parametrize("name", STAGES)
def test_dvc_yaml_declares_the_params_that_the_stage_reads(name, stages):
    assert stages[name].get("params", []) == list_sections(load_stage(name))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_reads_only_sections_that_exist(name):
    assert set(list_sections(load_stage(name))) <= set(Params.model_fields)


@pytest.mark.parametrize("name", STAGES)
def test_dvc_yaml_declares_the_code_that_the_tool_writes(name, stages, graph):
    declared = [dep for dep in stages[name]["deps"] if dep.startswith(SOURCE)]
    assert declared == code_of(name, graph), "run: python tools/write_dvc_yaml.py"


@pytest.mark.parametrize("name", STAGES)
def test_every_module_that_a_stage_imports_is_a_dependency_or_exempt_with_a_reason(name, stages, graph):
    declared = tuple(stages[name]["deps"])
    missing = [
        module
        for module in imported_modules(name, graph)
        if not is_exempt(name, module) and not any(covers(dep, path_of(module)) for dep in declared)
    ]
    assert missing == []


def covers(dependency: str, path: str) -> bool:
    return path == dependency or path.startswith(f"{dependency}/")


def test_dvc_ignores_compiled_python():
    ignored = (ROOT / ".dvcignore").read_text("utf-8").split()
    assert {"__pycache__/", "*.pyc"} <= set(ignored)


def test_dvc_yaml_stays_short():
    assert len((ROOT / "dvc.yaml").read_text("utf-8").splitlines()) <= 260


def test_every_lock_line_is_a_plain_pin():
    lines = (ROOT / "requirements.lock").read_text().split()
    assert "torch==2.13.0" in lines
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)


def test_a_check_without_a_params_yaml_goes_by_the_shipped_profile():
    assert write_check_yaml.TARGET.read_text("utf-8") == write_check_yaml.content(), (
        "run: python tools/write_check_yaml.py"
    )
