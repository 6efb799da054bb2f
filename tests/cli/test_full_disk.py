"""A full disk in each stage, and while DVC stores a result: one message, exit code 73, and the next run is right.

The disk is a small one in memory, in a mount namespace of the test. A system that allows none skips these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.full_disk_processes import PACKAGE_STEPS
from tests.constants import ROOT

from seodang.config.load import merge_overlay
from seodang.stages import STAGES

_NAMESPACE = ["unshare", "--map-root-user", "--mount"]
_PIPELINE = """
stages:
  gate:
    cmd: python stage.py
    deps: [stage.py]
    outs: [artifacts/gate/verdict.json]
  report:
    cmd: echo page > artifacts/report.txt
    deps: [artifacts/gate/verdict.json]
    outs: [artifacts/report.txt]
"""
_FILLING_STAGE = """
from pathlib import Path
from tests.cli.full_disk_processes import fill_disk
Path("artifacts/gate").mkdir(parents=True, exist_ok=True)
Path("artifacts/gate/verdict.json").write_text('{"verdict": "reject"}' + " " * 100_000)
if not Path("filled").exists():
    Path("filled").write_text("once")
    fill_disk(Path())
"""
# An untrained model gets a lower loss by any training.
_PROMOTING = {
    "rules": [{"against": "base", "test": "superiority", "metric": "loss"}],
    "thresholds": [],
    "default_rules": [],
    "default_thresholds": [],
}
_ALLOWED = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not _ALLOWED, reason="this system allows no mount namespace (unshare --map-root-user --mount)"),
]


def run_on_small_disk(folder: Path, megabytes: int, script: str, environment: dict[str, str]):
    """Run a script of bash in a folder that is a small disk; what it leaves there is lost."""
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs {folder}"
    return subprocess.run(
        [*_NAMESPACE, "bash", "-ec", f"{mount}\ncd {folder}\n{script}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_fails_each_stage_with_73_and_the_next_run_is_right(
    tmp_path: Path, make_project: Callable, small_overlay, build_environment
):
    project = make_project(tmp_path / "project", merge_overlay(small_overlay, {"gate": _PROMOTING}))
    (disk := tmp_path / "disk").mkdir()
    environment = build_environment(project) | {"TMPDIR": str(disk), "BENTOML_HOME": str(disk / "bentoml")}
    script = f"cp -r {project} p\n{sys.executable} -m tests.cli.full_disk_processes {disk}/p {tmp_path}/rows.json\n"
    done = run_on_small_disk(disk, 100, script, environment)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    expected = {"code": 73, "is_unchanged": True, "parts": [], "again": 0}
    earlier = STAGES[: STAGES.index("package")]
    assert rows[: len(earlier)] == [{"stage": stage, **expected} for stage in earlier]
    steps = [f"package before {step}" for step in PACKAGE_STEPS]
    assert rows[len(earlier) :] == [{"stage": step, **expected, "is_complete": True} for step in steps]
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_full_when_dvc_stores_a_result_is_named(tmp_path: Path):
    (disk := tmp_path / "disk").mkdir()
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(disk / "site"),
    }
    run = f"{sys.executable} -m seodang.cli.dvc_process"
    script = f"""
git init -q . && dvc init -q
cat > dvc.yaml <<'END'
{_PIPELINE}
END
cat > stage.py <<'END'
{_FILLING_STAGE}
END
set +e
{run}; echo first $?
rm -f filler
{run} && {run}; echo second $?
dvc status
"""
    done = run_on_small_disk(disk, 8, script, environment)
    assert "first 73" in done.stdout, done.stdout + done.stderr
    assert "the disk is full" in done.stderr
    assert "second 0" in done.stdout
    assert "Data and pipelines are up to date" in done.stdout
