"""Real clients, each in an environment of its own. Run: pytest -m slow tests/service/test_real_clients.py

SEODANG_TRANSCRIPTS names a folder that gets what each client prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.constants import KOREAN, ROOT

from seodang.io.jsonl import write_records
from seodang.primer.generator import iter_primer_records

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef"
HERE = Path(__file__).parent
CLIENTS = {
    "openai": "openai==3.57.0",
    "langchain": "langchain-openai==1.7.4",
    "litellm": "litellm==1.110.2",
}
HARNESS = ("lm_eval[api]==0.4.13", f"transformers=={version('transformers')}")
SCHEMATHESIS = "schemathesis==4.32.5"


@pytest.fixture(scope="module")
def make_environment(tmp_path_factory) -> Callable[..., Path]:
    """Returns the folder of the programs of a new environment that has the packages."""

    def make_environment(*packages: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", "-p", sys.executable, folder], check=True)
        python = folder / "bin" / "python"
        installed = subprocess.run(
            [*uv, "pip", "install", "-q", "--python", python, *packages], capture_output=True, text=True
        )
        if installed.returncode:
            pytest.skip(f"{packages} cannot be installed here: {installed.stderr[-300:]}")
        return folder / "bin"

    return make_environment


@pytest.fixture(scope="module")
def url(packaged_model, tmp_path_factory, find_free_port, run_server) -> Iterator[str]:
    port = find_free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SEODANG_API_KEYS": f"test:{KEY}"}
    folder = tmp_path_factory.mktemp("uvicorn")
    command = [sys.executable, str(HERE / "run_refusing_app.py"), str(packaged_model), str(port)]
    address = f"http://127.0.0.1:{port}"
    with run_server(command, address, cwd=folder, environment=environment, log=folder / "log"):
        yield address


def run_client(command, seconds: float = 300) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=seconds, env=environment, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def run_benchmark(command) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


def keep_transcript(name: str, text: str) -> None:
    if folder := os.environ.get("SEODANG_TRANSCRIPTS"):
        (Path(folder) / f"{name}.txt").write_text(text, "utf-8")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_works_and_knows_the_errors(url, name, make_environment):
    programs = make_environment(CLIENTS[name])
    transcript = run_client([programs / "python", HERE / "clients" / f"{name}_client.py", url, KEY])
    keep_transcript(name, f"{CLIENTS[name]}\n{transcript}")
    assert transcript.endswith("all cases hold\n")


def test_the_openai_package_parses_forms_and_streams_calls(
    make_packaged_model, make_environment, tmp_path, find_free_port, run_server
):
    folder, port = make_packaged_model(tmp_path / "model", format="chat"), find_free_port()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "SEODANG_API_KEYS": f"test:{KEY}"}
    command = [sys.executable, str(HERE / "run_tools_app.py"), str(folder), str(port)]
    address = f"http://127.0.0.1:{port}"
    with run_server(command, address, cwd=tmp_path, environment=environment, log=tmp_path / "log"):
        programs = make_environment(CLIENTS["openai"])
        transcript = run_client([programs / "python", HERE / "clients" / "tools_client.py", address, KEY])
    keep_transcript("tools", f"{CLIENTS['openai']}\n{transcript}")
    assert transcript.endswith("all cases hold\n")


@pytest.fixture(scope="module")
def harness(make_environment) -> Path:
    return make_environment(*HARNESS) / "python"


def test_the_harness_scores_and_answers_with_either_tokenizer(url, harness, packaged_model, tmp_path):
    prompt = f"### 질문: {KOREAN[0]}\n\n### 맥락: {KOREAN[1]}\n\n### 답변:"
    rows = [
        {"id": "choice", "context": prompt, "options": [" 긍정", " 부정"]},
        {"id": "blank", "context": f"{prompt} ", "options": ["긍정", "부정"]},
        {"id": "answer", "context": prompt, "max_tokens": 8},
    ]
    items = tmp_path / "items.jsonl"
    items.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    found, transcript = {}, ""
    for tokenizer in (packaged_model, "remote"):
        command = [harness, HERE / "clients" / "harness_client.py", url, KEY, items, tmp_path / "found.json"]
        transcript += run_client([*command, "--tokenizer", tokenizer, "--max-length", 128])
        found[tokenizer] = json.loads((tmp_path / "found.json").read_text("utf-8"))
    keep_transcript("lm-eval", f"{HARNESS[0]}\n{transcript}{found['remote']}\n")
    assert found["remote"] == found[packaged_model]
    likelihoods = found["remote"]["choice"]["log_likelihoods"]
    assert likelihoods == found["remote"]["blank"]["log_likelihoods"]
    assert likelihoods[1] > likelihoods[0]
    assert found["remote"]["answer"]["answer"].strip() == KOREAN[2]


def test_the_harness_answers_over_the_chat_route(url, harness, tmp_path):
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"id": "a", "context": KOREAN[1], "max_tokens": 8}) + "\n", "utf-8")
    command = [harness, HERE / "clients" / "harness_client.py", url, KEY, items, tmp_path / "found.json", "--chat"]
    keep_transcript("lm-eval-chat", run_client([*command, "--tokenizer", "none"]))
    assert json.loads((tmp_path / "found.json").read_text("utf-8"))["a"]["answer"]


def test_every_documented_route_conforms_to_its_document(url, make_environment, tmp_path):
    programs = make_environment(SCHEMATHESIS)
    command = [programs / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{url}/docs.json"]
    options = ["--url", url, "-n", 40, "--checks", "all", "--no-color", "--generation-deterministic"]
    keep_transcript("schemathesis", run_client([*command, *options, "-H", f"Authorization: Bearer {KEY}"], 900))


def test_what_is_served_is_what_was_evaluated(
    harness, make_packaged_model, write_tiny_manifest, tmp_path, find_free_port
):
    """All items of a shipped task with choices and of two with answers, three ways; greedy, in fp32."""
    folder = make_packaged_model(tmp_path / "model")
    for name, field in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps({**content, field: 1024}), "utf-8")
    write_tiny_manifest(folder, "koalpaca", 24)
    records = list(
        iter_primer_records(seed=3, classification_per_language=1, sentiment_per_language=40, open_per_language=20)
    )
    (tmp_path / "splits").mkdir()
    for split in ("train", "test", "unseen"):
        write_records(tmp_path / "splits" / f"{split}.jsonl", records if split == "test" else [])
    command = [sys.executable, ROOT / "benchmarks" / "served_evaluated.py", "--model", folder, "--harness", harness]
    options = ["--splits", tmp_path / "splits", "--port", find_free_port(), "--json", tmp_path / "found.json"]
    tasks = ["--tasks", "primer_sentiment", "primer_addition", "retention"]
    output = run_benchmark([*command, *options, *tasks])
    keep_transcript("served-evaluated", output)
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["different"] == []
    assert {row["task"].split("/")[1] for row in found["rows"]} == {"primer_sentiment", "primer_addition", "retention"}
    assert all(row["equal"] == row["items"] > 0 for row in found["rows"])
    assert all((row["largest_difference"] or 0) < 1e-4 for row in found["rows"])


def test_a_greedy_answer_does_not_depend_on_what_else_is_running(packaged_model, tmp_path, find_free_port):
    command = [sys.executable, ROOT / "benchmarks" / "served_alone.py", "--model", packaged_model, "--requests", 64]
    options = ["--port", find_free_port(), "--json", tmp_path / "found.json"]
    output = run_benchmark([*command, *options])
    keep_transcript("served-alone", output)
    rows = json.loads((tmp_path / "found.json").read_text("utf-8"))["rows"]
    assert rows == [{"clients": clients, "answers": 64, "equal": 64} for clients in (1, 4, 16, 64)]


def test_every_case_of_the_contract_holds(packaged_model, tmp_path, find_free_port):
    command = [sys.executable, ROOT / "benchmarks" / "conformance.py", "--model", packaged_model, "--ours-only"]
    options = ["--port", find_free_port(), "--json", tmp_path / "found.json"]
    run_benchmark([*command, *options])
    cases = json.loads((tmp_path / "found.json").read_text("utf-8"))["ours"]
    assert {name: seen for name, (holds, seen) in cases.items() if not holds} == {}
    assert len(cases) == 30
