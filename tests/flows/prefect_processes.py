"""Processes, files and requests of the tests with a real Prefect server."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.constants import ROOT

BIN = Path(sys.executable).parent
PATIENCE = 600  # seconds; small machines are at times ten times slower
AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@localhost")

STAGE_SCRIPT = """
import json, os, pathlib, sys, time
name = sys.argv[1]
mode = pathlib.Path("mode.txt").read_text()
notes = pathlib.Path(os.environ["NOTES"])
with open(notes / "commands.txt", "a") as commands:
    print(name, file=commands)
with open(notes / "folders.txt", "a") as folders:
    print(json.dumps({"stage": name, "folder": os.getcwd()}), file=folders)
if mode == "fail" and name == "base":
    print("reading [/data/source.json]")
    pathlib.Path("artifacts/base").mkdir(parents=True, exist_ok=True)
    pathlib.Path("artifacts/base/report.json").write_text('{"rows": "refused"}')
    print("seodang: source.json, 3행: 따옴표가 없습니다\\nfix the line and run again", file=sys.stderr)
    sys.exit(2)
if (mode, name) in (("hang", "base"), ("hang in train", "train")):
    (notes / "hanging.pid").write_text(str(os.getpid()))
    time.sleep(600)
if name == "ingest":
    print("WARNING\\ta row without an answer")
reports = {
    "ingest": {"rows": 12, "sources": [{"name": "<b>own</b>", "rows_read": 13, "rows_written": 12}]},
    "validate": {"rows": 12, "accepted": 10, "quarantined": 2, "by_rule": {"blank_output": 2}},
    "prepare": {"splits": {"train": 8, "test": 2}, "languages": {"train": {"ko": 4, "en": 4}}, "left_out": {"leak": 0}},
    "align": {"method": "none"},
    "evaluate": {
        "variants": [{"name": "tuned", "accuracy": 0.95}],
        "tasks": [{"task": "sentiment", "language": "ko", "items": 2, "zero_shot": 0.5, "tuned": 1.0}],
    },
    "gate": {
        "verdict": "reject" if mode == "reject" else "promote",
        "reasons": [{"passed": mode != "reject", "ko": "정확도 0.950", "en": "accuracy 0.950"}],
    },
    "package": {"bento_tag": "mini:1"},
}
files = {"gate": "verdict.json", "ingest": "manifest.json"}
path = pathlib.Path("artifacts", name, files.get(name, "report.json"))
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(reports.get(name, {})))
if name == "evaluate":
    score = {"shots": 0, "group": "", "task": "sentiment", "language": "ko", "split": "test", "kind": "choice"}
    score |= {"primary_metric": "accuracy", "reference": "a", "prediction": "a", "loss": 1.0, "answer": None}
    score |= dict.fromkeys(("exact_match", "chrf", "eos_rate", "labels", "grades"))
    score |= {"prompt_tokens": 9, "extra_metrics": {}, "weights": {}}
    rows = [(model, item, int(model == "tuned")) for model in ("zero_shot/<i>", "tuned") for item in ("1", "2")]
    lines = [json.dumps({**score, "variant": model, "item": item, "accuracy": share}) for model, item, share in rows]
    path.with_name("scores.jsonl").write_text("".join(line + "\\n" for line in lines))
"""


def commit_all(project: Path, message: str) -> None:
    subprocess.run(["git", "add", "-A"], cwd=project, check=True)
    subprocess.run(["git", *AUTHOR, "commit", "-q", "--allow-empty", "-m", message], cwd=project, check=True)


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def build_client_environment(url: str, home: Path, notes: Path) -> dict[str, str]:
    """Return the environment of a user of the server at `url`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return env | {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "DVC_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NOTES": str(notes),
        "COLUMNS": "200",
    }


def call_api(url: str, path: str, body: object = None, method: str | None = None) -> object:
    """Return the answer of the server's API, if it has one: by default POST with a body, GET without.

    A server with SQLite stands still for a minute when Python's garbage collector meets a connection that waits.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.loads(response.read() or "null")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not met within {PATIENCE} s"
        time.sleep(0.5)


def answers(url: str) -> bool:
    """Return whether a Prefect server is ready."""
    try:
        return call_api(url, "/health") is True
    except OSError:
        return False
