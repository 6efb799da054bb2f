"""Training that is killed and resumed by `dvc repro` or Prefect gives the same adapter as an uninterrupted run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from seodang.config.load import merge_overlay
from seodang.io.atomic import compute_sha256

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FLOW = """
import sys
from pathlib import Path
from prefect import flow
from flows.stages import train

@flow
def only_train(project: str) -> None:
    train(Path(project))

only_train(sys.argv[1])
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, make_project, run_command, small_overlay):
    """A project that is ready to be trained."""
    overlay = merge_overlay(small_overlay, {"train": {"epochs": 12.0, "save_steps": 5, "batch_size": 4}})
    project = make_project(tmp_path_factory.mktemp("resume") / "prepared", overlay)
    done = run_command(project, "dvc", "repro", "preflight")
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def uninterrupted(prepared, run_command):
    project = shutil.copytree(prepared, prepared.parent / "uninterrupted", symlinks=True)
    done = run_command(project, "dvc", "repro", "--single-item", "train")
    assert done.returncode == 0, done.stderr
    return compute_sha256(project / "artifacts" / "train" / "adapter" / "adapter_model.safetensors")


def kill_in_the_middle(started: subprocess.Popen, project: Path, after: int) -> None:
    """Kill the training process after a number of steps with complete checkpoints, and a random delay."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and started.poll() is None:
        markers = {
            path.parent.name for path in project.glob(".seodang/training/*/checkpoints/checkpoint-*/complete.json")
        }
        if max((int(name.rpartition("-")[2]) for name in markers), default=0) >= after:
            time.sleep(random.random() * 0.2)
            for process in psutil.Process(started.pid).children(recursive=True):
                if "train" in process.cmdline() and "stage" in process.cmdline():
                    os.kill(process.pid, signal.SIGKILL)
                    return
        time.sleep(0.01)
    ended = started.poll() is not None
    if not ended:
        started.kill()
    output, errors = started.communicate()
    pytest.fail(f"training {'ended' if ended else 'had too few checkpoints'} before it was killed: {output} {errors}")


def test_dvc_repro_resumes_a_killed_training(prepared, uninterrupted, build_environment, run_command):
    project = shutil.copytree(prepared, prepared.parent / "killed", symlinks=True)
    with subprocess.Popen(
        [Path(sys.executable).parent / "dvc", "repro", "--single-item", "train"],
        cwd=project,
        env=build_environment(project),
        stderr=subprocess.PIPE,
    ) as started:
        kill_in_the_middle(started, project, random.randint(1, 8) * 5)
        started.communicate()
    assert started.returncode != 0
    assert not (project / "artifacts" / "train" / "adapter").exists()
    resumed = run_command(project, "dvc", "repro", "--single-item", "train")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from checkpoint-" in resumed.stdout + resumed.stderr
    assert compute_sha256(project / "artifacts" / "train" / "adapter" / "adapter_model.safetensors") == uninterrupted
    assert not list((project / ".seodang" / "training").iterdir())


def test_a_training_that_ended_before_dvc_stored_it_is_not_repeated(prepared, uninterrupted, run_command):
    project = shutil.copytree(prepared, prepared.parent / "unstored", symlinks=True)
    pipeline = (project / "dvc.yaml").read_text()
    killing = pipeline.replace("cmd: seodang stage train", "cmd: seodang stage train && kill -9 $PPID")
    (project / "dvc.yaml").write_text(killing)  # the shell's parent is DVC
    assert run_command(project, "dvc", "repro", "--single-item", "train").returncode == -signal.SIGKILL
    assert "artifacts/train/report.json" not in (project / "dvc.lock").read_text()
    (project / "dvc.yaml").write_text(pipeline)
    report = (project / "artifacts" / "train" / "report.json").read_text()
    again = run_command(project, "dvc", "repro", "--single-item", "train")
    assert "the result is restored" in again.stderr
    assert again.returncode == 0
    assert compute_sha256(project / "artifacts" / "train" / "adapter" / "adapter_model.safetensors") == uninterrupted
    assert (project / "artifacts" / "train" / "report.json").read_text() == report
    assert run_command(project, "dvc", "repro", "--single-item", "train").stdout.count("didn't change") == 1
    forced = run_command(project, "dvc", "repro", "--single-item", "--force", "train")
    assert "the result is restored" not in forced.stderr  # DVC has stored it, so nothing is kept


def test_prefect_retries_a_killed_training_which_resumes(prepared, uninterrupted, build_environment):
    project = shutil.copytree(prepared, prepared.parent / "retried", symlinks=True)
    env = {name: value for name, value in build_environment(project).items() if not name.startswith("PREFECT")} | {
        "PREFECT_HOME": str(project / ".seodang" / "client"),
        # Prefect waits 20 s for its temporary server, which needs 18 s on two idle cores.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
    }
    with subprocess.Popen(
        [sys.executable, "-c", FLOW, str(project)],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as started:
        kill_in_the_middle(started, project, random.randint(1, 8) * 5)
        output, _ = started.communicate(timeout=300)
    assert started.returncode == 0, output
    assert "resuming from checkpoint-" in output
    assert "Retry" in output or "retry" in output
    assert compute_sha256(project / "artifacts" / "train" / "adapter" / "adapter_model.safetensors") == uninterrupted
