"""The flows `release` and `rollback`: an approval, and the rollback drill with an automation, all processes real.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_release_flows.py
"""

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import uuid
from functools import partial

import pytest
import yaml
from flows.process_guard import guard_process
from tests.constants import KOREAN, ROOT
from tests.flows.prefect_processes import PATIENCE, wait_for

from seodang.io.jsonl import write_json
from seodang.packaging.checksums import write_checksums
from seodang.packaging.model_folder import compute_content_version, read_manifest
from seodang.paths import Paths
from seodang.registry import promotion
from seodang.registry.history import read_history
from seodang.release.fall import Fall, build_event, send_event
from seodang.release.journal import list_records
from seodang.release.services import list_services
from seodang.release.traffic import start_router, stop_all
from seodang.release.versions import RunningService

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LIMIT = {"margin": 0.01, "tolerance": 0.05}
NOT_COMPARED = dict.fromkeys(("fast", "valid", "liked", "labelled", "correct"))
CANARY = {
    "share": 0.5,
    "look_seconds": 0.2,
    "probes": {"per_minute": 0},
    "scores": {"answered": LIMIT, "stopped": LIMIT, **NOT_COMPARED},
}
MAXIMUM_SECONDS = 30


def read_model_fields(paths: Paths, name: str) -> dict[str, str]:
    folder = paths.root / "models" / name
    fingerprint = read_manifest(folder).fingerprint
    return {
        "folder": f"models/{name}",
        "version": compute_content_version(folder, fingerprint),
        "fingerprint": fingerprint,
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_project, packaged_model, make_repository, run_pipeline):
    """A project whose champion v0.1.0 answers well; the packaged model, which passes a smoke test, never ends."""
    from safetensors.torch import load_file, save_file

    from seodang.models.loading import load_tokenizer

    paths = make_repository(tmp_path_factory.mktemp("drill") / "project")
    copy_project(paths.root)
    shutil.copytree(ROOT / "flows", paths.root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", paths.root)
    for name in ("good", "bad"):
        shutil.copytree(packaged_model, paths.root / "models" / name)
    bad = paths.root / "models" / "bad" / "model.safetensors"
    weights, end = load_file(bad), load_tokenizer(bad.parent).eos_token_id
    weights["model.embed_tokens.weight"][end] *= -1  # tied to the output layer: no answer ends, each has text
    save_file(weights, bad, metadata={"format": "pt"})
    write_checksums(bad.parent)
    fields = {name: read_model_fields(paths, name) for name in ("good", "bad")}
    folders = {f"tiny:{each['version']}": str(paths.root / each["folder"]) for each in fields.values()}
    write_json(paths.root.parent / "models.json", folders)
    script = ROOT / "tests" / "release" / "serve_tagged.py"
    command = f"{sys.executable} {script} {paths.root.parent / 'models.json'} {{port}} {{tag}}"
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    content |= {"release": {"serve_command": command, "automation_seconds": PATIENCE}, "canary": CANARY}
    paths.params.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    run_pipeline(paths, "good", **fields["good"])
    promotion.promote(paths, "good", None)
    run_pipeline(paths, "bad", **fields["bad"])
    yield paths
    stop_all(paths, 10)


@pytest.fixture(scope="module")
def environment(prefect_server, tmp_path_factory):
    return {**prefect_server.env, "BENTOML_HOME": str(tmp_path_factory.mktemp("bentoml"))}


def run_words(project: Paths, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        words, cwd=project.root, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask_model(port: int) -> str:
    """Send a Korean request; return the tag of the model that answered."""
    status, answer = RunningService(port).post("/generate", {"instruction": KOREAN[0], "input": KOREAN[1]})
    assert status == 200, answer
    return str(answer["model"])


def find_runs(server, flow: str) -> list[dict]:
    return server.api("/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})


def test_a_release_waits_for_an_answer_and_promotes_nothing_without_one(project, prefect_server, environment):
    script = ROOT / "tests" / "flows" / "approval_process.py"
    answers = [{"decision": "approve", "reason": "점수 확인"}, {"decision": "refuse", "reason": "아직"}]
    with (project.root.parent / "approval.log").open("w+") as log:
        command = [sys.executable, str(script), str(project.root)]
        with guard_process(command, cwd=project.root, env=environment, output=log) as process:
            for answer in answers:
                wait_for(lambda: process.poll() is not None or find_paused(prefect_server))
                (run,) = find_paused(prefect_server)
                wait_for(partial(answer_run, prefect_server, run["id"], answer))  # the form comes after the state
                wait_for(lambda: find_paused(prefect_server) == [])
            process.wait(PATIENCE)
        log.seek(0)
        lines = [json.loads(line) for line in log if line.startswith("{")]
    released, approved, refused, unanswered = lines
    assert released["released"][-2:] == ["--model", json.loads(project.package_report.read_text())["model_tag"]]
    assert approved["name"] == "Completed"
    assert refused == {"name": "NotApproved", "message": "refused: 아직; nothing was promoted"}
    assert unanswered == {"name": "NotApproved", "message": "nobody approved within 1 s; nothing was promoted"}


def answer_run(server, run: str, answer: dict[str, str]) -> bool:
    """Fill the form of a paused run; return whether the server has accepted it. A busy one answers with 503."""
    try:
        return server.api(f"/flow_runs/{run}/resume", {"run_input": answer})["status"] == "ACCEPT"
    except urllib.error.HTTPError:
        return find_paused(server) == []


def find_paused(server) -> list[dict]:
    return [run for run in find_runs(server, "release") if run["state_type"] == "PAUSED"]


@pytest.fixture(scope="module")
def worker(prefect_server, project, environment):
    """The deployment `rollback/local`, deployed three times, and a process worker."""
    create = "from flows.deploy import create_pools; create_pools({'seodang'})"
    run_words(project, environment, sys.executable, "-c", create)
    for _time in range(3):
        deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--name", "rollback/local"]
        run_words(project, {**environment, "PWD": str(project.root)}, *deploy)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "seodang"]
    with (
        (project.root.parent / "worker.log").open("w") as log,
        guard_process(command, cwd=project.root, env=environment, output=log),
    ):
        yield


def test_three_deployments_leave_one_automation(worker, prefect_server):
    automations = prefect_server.api("/automations/filter", {})
    assert [each["name"] for each in automations if each["trigger"].get("expect")] == ["seodang-canary-rollback"]


def test_a_canary_that_falls_is_rolled_back_once_by_the_automation(
    project, prefect_server, environment, worker, find_free_port, send_requests
):
    if shutil.which("haproxy") is None:
        pytest.skip("no HAProxy is installed: apt-get install haproxy")
    seodang, port = [sys.executable, "-m", "seodang"], find_free_port()
    start = ["rollback", "--to", "v0.1.0", "--message", "start", "--port", str(find_free_port())]
    run_words(project, environment, *seodang, *start)
    (old,) = list_services(project)
    start_router(project, port, old.port)
    command = [*seodang, "release", "--canary", "--event", "--port", str(port)]
    began = time.monotonic()
    with (
        send_requests(lambda: ask_model(port)) as clients,
        guard_process(command, cwd=project.root, env=environment, output=subprocess.PIPE) as process,
    ):
        lines = []
        for line in process.stdout:
            lines.append(f"{time.monotonic() - began:6.1f} s  {line.rstrip()}")
            if line.startswith("rollback to v0.1.0: canary: stopped"):
                fell = time.monotonic()
                assert {RunningService(port).ask_version() for _look in range(20)} == {old.tag}
                assert time.monotonic() - fell < MAXIMUM_SECONDS
        assert process.wait(PATIENCE) == 3, "\n".join(lines)
        assert {RunningService(port).ask_version() for _look in range(20)} == {old.tag}
    bad = [moment for moment, tag in clients.answers if tag != old.tag]
    print("\n".join(lines))  # the transcript, with pytest -s
    print(f"answers: {len(clients.answers)}, of the canary: {len(bad)}, failed: {len(clients.failures)}")
    assert bad
    assert max(bad) < fell + MAXIMUM_SECONDS
    assert clients.failures == []
    check_registry(project, old.tag)
    (run,) = find_runs(prefect_server, "rollback")
    assert run["state_type"] == "COMPLETED"
    check_second_event(project, prefect_server)


def check_registry(project: Paths, tag: str) -> None:
    """One rollback, with the figures of the comparison; the old service alone is left."""
    events = read_history(project.history)
    assert [(each.action, each.version) for each in events] == [
        ("promote", "v0.1.0"),
        ("promote", "v0.2.0"),
        ("rollback", "v0.1.0"),
    ]
    assert events[-1].message.startswith("canary: stopped 1.000 -> 0.")
    assert "evidence" in events[-1].message
    assert [each.tag for each in list_services(project)] == [tag]


def check_second_event(project: Paths, server) -> None:
    """Another event of the same canary runs the flow, which changes nothing."""
    before = project.history.read_bytes()
    record = [row for row in list_records(project) if row["action"] == "rollback"][-1]
    fall = Fall(canary=record["id"], worse="v0.2.0", version="v0.1.0", reason="again")
    event = {**build_event(project.root.name, fall), "id": str(uuid.uuid4())}
    send_event(server.url, event)
    wait_for(lambda: [run["state_type"] for run in find_runs(server, "rollback")] == ["COMPLETED"] * 2)
    assert project.history.read_bytes() == before
