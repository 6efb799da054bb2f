"""The flow `generate-data` on a real server, with a real teacher."""

import json
import subprocess
import sys

import pytest
import yaml
from tests.constants import ROOT
from tests.flows.prefect_processes import PATIENCE
from tests.synthesis.scripted_recipe import PARAMS
from tests.synthesis.teacher_server import Answer, TeacherServer, build_handler

from seodang.orchestration.generate_parameters import GenerateDataParameters

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def teacher(run_handler):
    server = TeacherServer(script=lambda body, attempt: Answer(text="서당은 마을 아이들이 글을 배우던 곳입니다."))
    with run_handler(build_handler(server)) as port:
        server.url = f"http://127.0.0.1:{port}/v1"
        yield server


@pytest.fixture(scope="module")
def run_flow(tmp_path_factory, prefect_server, teacher):
    """Writes a recipe file with fields changed and runs the flow; returns exit code and output."""
    project = tmp_path_factory.mktemp("project")
    prompts = ["서당은 무엇을 하던 곳인가요?", "서당에서는 무엇을 배웠나요?", "서당은 어디에 있었나요?"]
    rows = "".join(json.dumps({"instruction": prompt}, ensure_ascii=False) + "\n" for prompt in prompts)
    (project / "prompts.jsonl").write_text(rows, "utf-8")

    def run_flow(output, *, dry_run=False, **changes):
        recipe = {**PARAMS, "output": output, "teacher": {**PARAMS["teacher"], "url": teacher.url}}
        recipe |= {name: {**recipe[name], **fields} for name, fields in changes.items()}
        (project / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
        params = json.dumps({"run": {"recipe": "recipe.yaml", "dry_run": dry_run}})
        command = [sys.executable, "-m", "flows.run", "generate-data", "--project", str(project), "--params", params]
        done = subprocess.run(
            command, cwd=ROOT, env=prefect_server.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return done.returncode, done.stdout + done.stderr

    run_flow.project = project
    return run_flow


def find_artifacts(server):
    """Return the newest artifact of each key."""
    return {each["key"]: each for each in server.api("/artifacts/latest/filter", {})}


@SLOW
@pytest.mark.timeout(600)
def test_a_run_shows_plan_progress_and_result_and_writes_the_records(run_flow, prefect_server, teacher):
    code, output = run_flow("generated/good", recipe={"max_tokens": 100})
    assert code == 0, output
    artifacts = find_artifacts(prefect_server)
    assert {"generate-plan", "generate-progress", "generate-result"} <= artifacts.keys()
    assert artifacts["generate-progress"]["data"] == 100
    assert artifacts["generate-progress"]["description"].startswith("asked 3 of 3")
    assert "calls asked 3" in artifacts["generate-result"]["data"]
    assert (run_flow.project / "generated" / "good" / "records.jsonl").read_text("utf-8").count("\n") > 0
    assert teacher.billed.total() == 3


@SLOW
@pytest.mark.timeout(600)
def test_a_dry_run_asks_nothing(run_flow, teacher):
    before = len(teacher.bodies)
    code, output = run_flow("generated/dry", dry_run=True)
    assert (code, len(teacher.bodies)) == (0, before), output
    assert "DryRun" in output


@SLOW
@pytest.mark.timeout(600)
def test_a_budget_that_is_used_up_is_a_result_and_a_refused_recipe_fails_without_a_retry(run_flow, teacher):
    code, output = run_flow(
        "generated/small", budget={"tokens": 240}, limits={"concurrency": 1}, recipe={"max_tokens": 100}
    )
    assert code == 0, output
    assert "BudgetUsedUp" in output
    teacher.script = lambda body, attempt: Answer(status=401)
    before = len(teacher.bodies)
    code, output = run_flow("generated/refused", limits={"concurrency": 1})
    assert code == 1
    assert "the teacher refuses the calls" in output
    assert len(teacher.bodies) == before + 1


def test_the_form_has_a_help_text_for_each_field():
    schema = GenerateDataParameters.model_json_schema()["properties"]
    assert all(field["title"] and field["description"] for field in schema.values())
