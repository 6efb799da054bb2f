"""prefect.yaml: what it names exists, and its job templates can be rendered. Without a server."""

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import prefect.server.api
import pytest
from flows import FLOWS, load_flow
from flows.automations import NEVER_STARTED
from flows.deploy import POOLS, find_job_template, select_deployments
from flows.deploy import main as deploy
from flows.notifications import notify
from flows.pipeline import name_flow_run
from flows.release import Approval
from flows.serving import create_deployment
from flows.settings import RUN
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.deployments.steps import run_shell_script
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.templating import apply_values
from tests.constants import ROOT

from seodang.config.yaml_file import read_yaml
from seodang.errors import SeodangError

CONTENT = read_yaml(ROOT / "prefect.yaml")
DEPLOYMENTS = CONTENT["deployments"]
METADATA = Path(prefect.server.api.__file__).parent / "collections_data" / "views" / "aggregate-worker-metadata.json"
COMMIT = "1234567" + "0" * 33
REMOTE = "https://git.example.org/seodang.git"


def describe(deployment: dict) -> str:
    return f"{deployment['entrypoint'].rpartition(':')[2]}/{deployment['name']}"


def find(name: str) -> dict:
    return next(each for each in DEPLOYMENTS if describe(each) == name)


def render_steps(name: str) -> list[dict]:
    """Return the pull steps of a deployment as `prefect deploy` stores them."""
    values = {"commit": {"stdout": COMMIT}, "remote": {"stdout": REMOTE}}
    return apply_values(find(name)["pull"], values, remove_notset=False)


def render_job(name: str) -> dict:
    """Return the job configuration of a deployment, from the template of its work pool."""
    pool = find(name)["work_pool"]
    template = find_job_template(json.loads(METADATA.read_text("utf-8")), POOLS[pool["name"]].kind)
    variables = template["variables"]["properties"]
    assert pool["job_variables"].keys() <= variables.keys()
    defaults = {key: value.get("default") for key, value in variables.items()}
    return apply_values(template["job_configuration"], {**defaults, **pool["job_variables"]})


def test_prefect_accepts_the_file():
    assert len(PrefectYamlModel.model_validate(CONTENT).deployments) == len(DEPLOYMENTS)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=describe)
def test_each_deployment_has_a_flow_valid_parameters_and_a_known_pool(deployment):
    file, _, function = deployment["entrypoint"].partition(":")
    flow = load_flow(function.replace("_", "-"))
    assert Path(inspect.getfile(flow.fn)).name == Path(file).name
    flow.validate_parameters({"project": None, **deployment.get("parameters", {})})
    assert deployment["work_pool"]["name"] in POOLS


@pytest.mark.parametrize("name", FLOWS)
def test_each_flow_has_its_name(name):
    assert load_flow(name).name == name


@pytest.mark.parametrize("name", [name for name in FLOWS if name not in ("watch-sources", "end-dead-runs")])
def test_each_flow_that_people_start_notifies_about_every_end(name):
    flow = load_flow(name)
    for hooks in (flow.on_completion_hooks, flow.on_failure_hooks, flow.on_crashed_hooks, flow.on_cancellation_hooks):
        assert notify in hooks


@pytest.mark.parametrize("name", ["instruction-tuning", "data-only", "evaluate-only", "study"])
def test_each_flow_of_the_pipeline_is_named_by_profile_and_commit_and_has_a_form(name):
    flow = load_flow(name)
    assert flow.flow_run_name is name_flow_run
    assert "profile" in flow.parameters.definitions[type(flow.fn.__defaults__[0]).__name__]["properties"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_forms_describe_each_parameter_in_the_language_of_the_deployment(language):
    script = (
        "import json; from flows import FLOWS, load_flow; from prefect.utilities.callables import parameter_schema;"
        "print(json.dumps([parameter_schema(load_flow(name)).model_dump() for name in FLOWS]))"
    )
    env = {**os.environ, "SEODANG_LANG": language, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))}
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd=ROOT, capture_output=True, check=True)
    schemas = json.loads(done.stdout)
    shown = [schema["properties"] for schema in schemas]
    shown += [model["properties"] for schema in schemas for model in schema["definitions"].values()]
    texts = [field["description"] for fields in shown for field in fields.values()]
    assert {bool(re.search("[가-힣]", text)) for text in texts} == {language == "ko"}


def test_the_pool_and_the_queue_of_the_gpu_run_one_at_a_time():
    pool = find("instruction_tuning/gpu")["work_pool"]
    assert (POOLS[pool["name"]].limit, POOLS[pool["name"]].queue) == (1, pool["work_queue_name"])


@pytest.mark.parametrize("name", ["docker", "kubernetes"])
def test_a_container_clones_the_commit_that_was_deployed_and_uses_the_remotes(name):
    (step,) = render_steps(f"instruction_tuning/{name}")
    clone = step["prefect.deployments.steps.git_clone"]
    assert (clone["repository"], clone["commit_sha"]) == (REMOTE, COMMIT)
    assert find(f"instruction_tuning/{name}")["parameters"] == {"run": {"share": True}}


@pytest.mark.parametrize(
    "address", ["https://user:secret@git.example.org/a.git", "https://secret@git.example.org/a.git"]
)
def test_a_secret_in_the_address_of_the_git_remote_does_not_get_into_a_deployment(address, tmp_path):
    """Prefect stores the steps of a deployment, and shows them."""
    for words in (["init", "-q"], ["remote", "add", "origin", address]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    script = next(
        step["script"] for step in map(get_step, find("instruction_tuning/docker")["build"]) if step["id"] == "remote"
    )
    result = asyncio.run(run_shell_script(script=script, directory=str(tmp_path), stream_output=False))
    assert result["stdout"] == "https://git.example.org/a.git"


def get_step(build: dict) -> dict:
    return next(iter(build.values()))


def test_what_make_flows_serves_has_the_triggers_and_the_active_schedules_of_the_file():
    served = {name: create_deployment(load_flow(name), ROOT) for name in ("end-dead-runs", "rollback", "data-only")}
    assert [each.schedule.interval.total_seconds() for each in served["end-dead-runs"].schedules] == [900]
    assert {name: len(each.triggers) for name, each in served.items()} == {
        "end-dead-runs": 2,
        "rollback": 1,
        "data-only": 0,
    }
    assert not served["data-only"].schedules


def test_the_docker_job_has_an_image_a_memory_limit_and_the_path_of_the_code():
    job = render_job("instruction_tuning/docker")
    assert (job["image"], job["mem_limit"]) == ("{{ $SEODANG_IMAGE }}", "8g")
    assert job["env"] == {"PYTHONPATH": "src", **RUN}
    assert job["auto_remove"] is False


def test_the_kubernetes_job_is_a_job_with_limits_that_kubernetes_does_not_restart():
    manifest = render_job("instruction_tuning/kubernetes")["job_manifest"]
    assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("Job", "seodang")
    pod = manifest["spec"]["template"]["spec"]
    assert (manifest["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    (container,) = pod["containers"]
    assert container["image"] == "{{ $SEODANG_IMAGE }}"
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"cpu": "4", "memory": "8Gi"},
    }


def test_only_the_watch_and_the_search_for_dead_runs_have_an_active_schedule():
    active = [describe(each) for each in DEPLOYMENTS for one in each.get("schedules", []) if one["active"]]
    assert sorted(active) == ["end_dead_runs/local", "watch_sources/watch"]


@pytest.mark.parametrize("page", ["prefect.md", "prefect.ko.md"])
def test_the_page_names_the_automations_that_are_deployed(page):
    triggers = [trigger for each in DEPLOYMENTS for trigger in each.get("triggers", [])]
    deployed = {str(trigger.get("name")) for trigger in triggers} | {NEVER_STARTED}
    named = re.findall(r"`(seodang: [^`]+)`", (ROOT / "docs" / page).read_text("utf-8"))
    assert set(named) == {name for name in deployed if name.startswith("seodang: ")}


def test_a_deployment_that_is_not_in_the_file_is_named():
    with pytest.raises(SeodangError, match=r"prefect\.yaml has no deployment gpus; it has docker, gpu"):
        select_deployments(CONTENT, ["gpus"])


@pytest.mark.parametrize("pool", [{"work_pool": {"name": "own"}}, {}])
def test_a_work_pool_that_the_command_does_not_know_is_named(pool):
    content = {"deployments": [{"name": "mine", "entrypoint": "flows/x.py:x", **pool}]}
    with pytest.raises(SeodangError, match="deployment mine has the work pool"):
        select_deployments(content, ["mine"])


def test_a_server_that_is_not_there_is_named_before_anything_is_deployed(capsys):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert deploy(["local", "--project", str(ROOT)]) == 2
    assert "no Prefect server answers at http://127.0.0.1:9/api" in capsys.readouterr().err


def test_the_form_of_an_approval_has_help_for_each_field():
    fields = Approval.with_initial_data(description="plan").model_json_schema()["properties"]
    assert {name: bool(field["description"]) for name, field in fields.items()} == {"decision": True, "reason": True}
