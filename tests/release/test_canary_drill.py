"""The rollback drill with two real services behind HAProxy. Run: pytest -m slow tests/release/test_canary_drill.py"""

import json
import os
import shutil
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.constants import KOREAN, ROOT

from seodang.config import CanaryParams
from seodang.packaging.checksums import write_checksums
from seodang.release.online_scores import read_counters
from seodang.release.versions import RunningService
from seodang.release.watch import watch_canary

pytestmark = pytest.mark.slow

LIMIT = {"margin": 0.01, "tolerance": 0.05}
UNUSED = ("fast", "valid", "liked", "labelled", "correct")
PARAMS = {
    "share": 0.5,
    "alpha": 0.05,
    "max_requests": 10_000,
    "max_hours": 1,
    "look_seconds": 0.2,
    "fast_seconds": 600.0,
    "probes": {"per_minute": 0, "file": None, "tasks": None},
}
BODY = json.dumps({"instruction": KOREAN[0], "input": KOREAN[1]}).encode()


@pytest.fixture
def models(packaged_model, tmp_path):
    """A good model, and one whose answers never end."""
    from safetensors.torch import load_file, save_file

    bad = Path(shutil.copytree(packaged_model, tmp_path / "bad")) / "model.safetensors"
    save_file({name: weight * 0.5 for name, weight in load_file(bad).items()}, bad, metadata={"format": "pt"})
    write_checksums(bad.parent)
    return {"tiny:0123456789ab": packaged_model, "tiny:bad456789abc": bad.parent}


def ask(url, path="/generate", body=BODY):
    request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:  # any other status raises an error
        return json.loads(response.read())


def ask_version(url):
    return ask(url, "/v1/models", None)["data"][0]["id"]


def test_the_old_version_answers_again_after_its_canary_got_worse(
    models, run_server, run_router, send_requests, find_free_port, tmp_path
):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ports = [find_free_port() for _ in models]
    services = dict(zip(("reference", "candidate"), map(RunningService, ports), strict=True))
    with ExitStack() as stack:
        for (tag, folder), port in zip(models.items(), ports, strict=True):
            command = [sys.executable, str(ROOT / "tests/service/run_app.py"), str(folder), str(port), tag]
            log = tmp_path / f"{port}.log"
            stack.enter_context(
                run_server(command, f"http://127.0.0.1:{port}", cwd=tmp_path, environment=environment, log=log)
            )
        router, url = stack.enter_context(run_router(tmp_path / "router", *ports))
        good, bad = models
        assert [service.ask_version() for service in services.values()] == [good, bad]

        rolled_back = []
        with send_requests(lambda: ask(url)["model"]) as sent:
            scores = {"answered": LIMIT, "stopped": LIMIT, **dict.fromkeys(UNUSED)}
            end = watch_canary(
                router,
                lambda role: read_counters(services[role].read_metrics(), router.count_responses()[role], 600.0),
                CanaryParams.model_validate({**PARAMS, "scores": scores}),
                lambda reason: rolled_back.append((reason, time.monotonic())),
            )
            assert {ask_version(url) for _ in range(20)} == {good}
            assert time.monotonic() - rolled_back[0][1] < 30
        assert end.outcome == "rolled_back"
        assert [reason.startswith("canary: stopped 1.000 -> 0.") for reason, _ in rolled_back] == [True]
        assert {tag for _moment, tag in sent.answers} == {good, bad}
        assert sent.failures == []
