"""dvc.yaml, params.yaml and the code say the same."""

import re
import sys
from operator import attrgetter
from pathlib import Path

import grimp
import pytest
import yaml

from seodang.config import Params
from seodang.config.load import load_params
from seodang.config.profiles import STARTER
from seodang.config.schema import SCHEMA, render_schema
from seodang.stages import STAGES, list_parameters, load_stage
from seodang.stages.inputs import STAGES_WITH_INPUTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import catalogue  # noqa: E402
from catalogue import LOCALE  # noqa: E402
from write_dvc_yaml import (  # noqa: E402
    ALWAYS_CHANGED,
    SOURCE,
    find_imported_modules,
    get_module_path,
    is_exempt,
    list_code_dependencies,
)


@pytest.fixture(scope="module")
def stages() -> dict:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("seodang", cache_dir=None)


def test_dvc_yaml_has_the_stages_of_the_dispatcher_in_their_order(stages):
    assert tuple(stages) == STAGES


@pytest.mark.parametrize("name", STAGES)
def test_dvc_yaml_declares_the_params_that_the_stage_reads(name, stages):
    sections = list_parameters(load_stage(name))
    inputs = [{"inputs.lock": [name]}] if name in STAGES_WITH_INPUTS else []
    assert stages[name].get("params", []) == [*sections, {"src/seodang/config/defaults.yaml": sections}, *inputs]


def test_params_yaml_may_leave_out_only_sections_that_no_stage_reads():
    read = {path.partition(".")[0] for name in STAGES for path in list_parameters(load_stage(name))}
    assert set(Params.model_fields) - read == Params.OPTIONAL_SECTIONS


def test_no_stage_runs_again_for_the_export_of_its_model(stages):
    for stage in stages.values():
        assert not any("export" in str(dependency) for dependency in [*stage["deps"], *stage.get("params", [])])


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_reads_only_parameters_that_exist(name):
    params = load_params(ROOT / "params.yaml")
    for path in list_parameters(load_stage(name)):
        attrgetter(path)(params)


@pytest.mark.parametrize("name", STAGES)
def test_dvc_yaml_declares_the_code_that_the_tool_writes(name, stages, graph):
    declared = [dep for dep in stages[name]["deps"] if dep.startswith(SOURCE)]
    assert declared == list_code_dependencies(name, graph), "run: python tools/write_dvc_yaml.py"


@pytest.mark.parametrize("name", STAGES)
def test_every_module_that_a_stage_imports_is_a_dependency_or_exempt_with_a_reason(name, stages, graph):
    declared = tuple(stages[name]["deps"])
    missing = [
        module
        for module in find_imported_modules(name, graph)
        if not is_exempt(name, module) and not any(covers(dep, get_module_path(module)) for dep in declared)
    ]
    assert missing == []


def test_a_stage_without_code_dependencies_runs_each_time(stages):
    assert [name for name in STAGES if stages[name].get("always_changed")] == list(ALWAYS_CHANGED)


def test_a_module_that_only_foreign_parameters_import_is_no_dependency(graph):
    assert "seodang.metric_registry" in find_imported_modules("gate", graph)
    assert "seodang.metric_registry" in graph.find_upstream_modules("seodang.stages.ingest")  # through config.gate
    assert "seodang.metric_registry" not in find_imported_modules("ingest", graph)


def covers(dependency: str, path: str) -> bool:
    return path == dependency or path.startswith(f"{dependency}/")


def test_dvc_ignores_compiled_python():
    ignored = (ROOT / ".dvcignore").read_text("utf-8").split()
    assert {"__pycache__/", "*.pyc"} <= set(ignored)


def test_dvc_yaml_stays_short():
    assert len((ROOT / "dvc.yaml").read_text("utf-8").splitlines()) <= 330


def test_every_package_of_the_lock_is_pinned_and_all_but_torch_have_hashes():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pins = {line.removesuffix(" \\") for line in lines if not line.startswith(" ")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in pins)
    hashes = [line.strip().removesuffix(" \\") for line in lines if line.startswith(" ")]
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes)
    without_hash = {line for line in lines if not line.startswith(" ") and not line.endswith("\\")}
    assert without_hash == {"torch==2.13.0"}  # each platform installs its own build


def test_params_yaml_as_shipped_is_the_starter_file_and_stays_short():
    text = (ROOT / "params.yaml").read_text("utf-8")
    assert text == STARTER.read_text("utf-8")
    assert len(text.splitlines()) <= 45


def test_the_schema_is_that_of_the_sections():
    assert SCHEMA.read_text("utf-8") == render_schema(), (
        "run: seodang config schema > src/seodang/config/params.schema.json"
    )


def test_every_message_is_translated_and_used():
    assert catalogue.check() == []


def test_a_message_has_one_translation_in_all_catalogues():
    translations: dict[str, set[str]] = {}
    for path in (LOCALE / "ko").glob("*.po"):
        for message in catalogue.read_catalogue("ko", path.stem):
            if message.id:
                translations.setdefault(message.id, set()).add(message.string)
    assert {text: found for text, found in translations.items() if len(found) > 1} == {}


def test_the_compiled_catalogue_is_that_of_the_translations():
    compiled = LOCALE / "ko" / "LC_MESSAGES" / "seodang.mo"
    assert compiled.read_bytes() == catalogue.compile_catalogue("ko"), "run: python tools/catalogue.py compile"


def test_training_reads_no_file_that_preference_data_change(stages):
    changed = {
        output
        for name in ("ingest", "validate", "prepare")
        for output in stages[name]["outs"]
        if isinstance(output, str) and "preferences" in output
    }
    assert len(changed) == 5
    read = [dep for dep in stages["train"]["deps"] if dep.startswith("artifacts/")]
    assert not [(dep, output) for dep in read for output in changed if output == dep or output.startswith(f"{dep}/")]


@pytest.mark.parametrize("name", STAGES)
def test_params_yaml_holds_each_parameter_that_dvc_looks_for_in_it(name):
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    for path in list_parameters(load_stage(name)):
        value = params
        for key in path.split("."):
            assert key in value, f"DVC does not start stage {name}: params.yaml lacks {path}"
            value = value[key]
