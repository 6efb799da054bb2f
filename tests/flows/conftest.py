"""A miniature project with the names of all stages and no model, and a Prefect server, both real and quick."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.process_guard import guard_process
from tests.constants import ROOT
from tests.flows.prefect_processes import (
    BIN,
    STAGE_SCRIPT,
    answers,
    build_client_environment,
    call_api,
    commit_all,
    find_free_port,
    wait_for,
)

from seodang.config.profiles import STARTER
from seodang.stages import STAGES


@pytest.fixture(scope="session")
def make_miniature() -> Callable[[Path], Path]:
    """Makes the miniature project and commits it once. Its stages write what they do into the folder NOTES."""

    def make(project: Path) -> Path:
        stages = {}
        for before, name in zip((None, *STAGES), STAGES, strict=False):
            file = {"gate": "verdict", "ingest": "manifest"}.get(name, "report")
            needed = [] if before is None else stages[before]["outs"]
            mode = ["mode.txt"] if name in ("base", "gate") else []
            stages[name] = {
                "cmd": f"python stage.py {name}",
                "deps": ["stage.py", *mode, *needed],
                "outs": [f"artifacts/{name}/{file}.json"],
            }
        stages["evaluate"]["outs"].append("artifacts/evaluate/scores.jsonl")
        (project / "profiles").mkdir(parents=True)
        (project / "stage.py").write_text(STAGE_SCRIPT, "utf-8")
        (project / "dvc.yaml").write_text(json.dumps({"stages": stages}))  # JSON is YAML
        (project / "mode.txt").write_text("promote")
        (project / ".gitignore").write_text("/artifacts/\n/.seodang/\n/serve.log\n__pycache__/\n")
        shutil.copy(STARTER, project / "params.yaml")
        shutil.copy(ROOT / "profiles" / "scratch.yaml", project / "profiles")
        for command in (["git", "init", "-q", "-b", "main"], [str(BIN / "dvc"), "init", "-q"]):
            subprocess.run(command, cwd=project, check=True)
        commit_all(project, "start")
        return project

    return make


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server of a test module, and the environment of its clients."""

    url: str
    env: dict[str, str]
    notes: Path

    def api(self, path: str, body: object = None) -> object:
        return call_api(self.url, path, body)


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory) -> Iterator[PrefectServer]:
    folder = tmp_path_factory.mktemp("prefect")
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/api"
    (folder / "notes").mkdir()
    env = build_client_environment(url, folder / "client", folder / "notes")
    server_env = {**env, "PREFECT_HOME": str(folder / "server"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (folder / "server.log").open("w") as log,
        guard_process(command, cwd=folder, env=server_env, output=log),
    ):
        wait_for(lambda: answers(url))
        yield PrefectServer(url, env, folder / "notes")
