"""Several processes: the same curves and weights as one, whatever is spread over them; killed or failing, they end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from launching_cases import die_in_the_second, fail_in_the_second, write_what_the_first_finds
from safetensors.torch import load_file
from tiny_models import make_tiny_model
from training_cases import curve, one_thread, run_together, run_together_killed, run_training, train_params

from seodang.errors import ParamsError, TrainingError
from seodang.models.adapters import compute_tuned_sha256
from seodang.training.distributed import broadcast_from_main, check_processes, get_world_size, is_main_process, launch

ALIKE = 1e-4
CASES = {
    "lora": {},
    "odd numbers": {
        "batch_size": 5,
        "tokens_per_micro_batch": 128,
    },  # 16 records: the last update has one, and one process none
    "padded": {"packing": False},
    "full": {"method": "full", "learning_rate": 1e-3, "eval_steps": 2, "save_steps": 2},
    "recomputed": {"activation_checkpointing": True},
    "dora": {"method": "dora"},
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request, tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("base"), tied=request.param)


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tied"))


def weights(folder):
    return {
        name: weight for file in (folder / "adapter").glob("*.safetensors") for name, weight in load_file(file).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_two_processes_train_as_one_does(base, tmp_path, sharding):
    together = run_together(
        base,
        {tmp_path / name: train_params(processes=2, sharding=sharding, **changes) for name, changes in CASES.items()},
    )
    for name, changes in CASES.items():
        two, one = tmp_path / name, tmp_path / f"{name}, alone"
        alone = run_training(base, one, train_params(**changes))
        assert together[two].steps == alone.steps == 8
        assert (together[two].trainable_parameters, together[two].parameters) == (
            alone.trainable_parameters,
            alone.parameters,
        )
        for measured in ("train_loss", "validation_loss", "gradient_norm"):
            assert curve(two, measured) == pytest.approx(curve(one, measured), abs=ALIKE), (name, measured)
        assert together[two].health.max_logit_change == pytest.approx(alone.health.max_logit_change, abs=ALIKE)
        assert sorted(path.name for path in (two / "adapter").iterdir()) == sorted(
            path.name for path in (one / "adapter").iterdir()
        )
        found, wanted = weights(two), weights(one)
        assert found.keys() == wanted.keys()
        assert all(torch.allclose(found[key], wanted[key], rtol=0, atol=ALIKE) for key in wanted), name
        assert settings(two) == settings(one)
    parts = {path.name for path in tmp_path.glob("full/run/checkpoint-*/pytorch_model_fsdp_0/*.distcp")}
    assert parts == (
        {"__0_0.distcp", "__1_0.distcp"} if sharding == "fsdp" else set()
    )  # each process holds a part of the weights


def settings(folder):
    file = next(
        file
        for file in (folder / "adapter" / "adapter_config.json", folder / "adapter" / "config.json")
        if file.exists()
    )
    found = json.loads(file.read_text())
    return found | {"target_modules": sorted(found.get("target_modules", []))}  # peft keeps them in a set


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"dropout": 0.1}, {"sharding": "fsdp"}, {"sharding": "fsdp", "method": "full", "learning_rate": 1e-3}],
    ids=str,
)
def test_killed_and_started_again_two_processes_end_with_the_same_weights(tied, tmp_path, changes):
    train = train_params(processes=2, save_steps=2, epochs=3.0, **changes)
    run_together(tied, {tmp_path / "whole": train})
    run_together_killed(tied, tmp_path / "killed", train, update=7)
    assert not (tmp_path / "killed" / "adapter").exists()
    outcome = run_together(tied, {tmp_path / "killed": train})[tmp_path / "killed"]
    assert outcome.resume_steps == [6]
    assert compute_tuned_sha256(tmp_path / "killed" / "adapter") == compute_tuned_sha256(tmp_path / "whole" / "adapter")


@pytest.mark.slow
def test_the_fault_of_one_process_ends_all_and_is_told_as_it_is(tmp_path):
    with pytest.raises(ParamsError, match=r"^process 1 has a fault$"):
        launch(fail_in_the_second, (tmp_path,), processes=2, device="cpu")
    assert_gone(tmp_path)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_all_and_names_the_likely_cause(tmp_path):
    with pytest.raises(TrainingError, match=r"process 2 of 2 was killed \(SIGKILL\).*memory") as killed:
        launch(die_in_the_second, (tmp_path,), processes=2, device="cpu")
    assert killed.value.exit_code == 75  # so that a flow tries again
    assert_gone(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_who_ends_the_first_process_ends_all(tmp_path, ending):
    handlers = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job would ignore the second
    code = f"import sys, signal; {handlers}; from launching_cases import *; launch(wait, (Path({str(tmp_path)!r}),), processes=2, device='cpu')"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    parent.send_signal(ending)
    parent.wait(30)
    assert_gone(tmp_path)


@pytest.mark.slow
def test_what_the_first_process_finds_all_have(tmp_path):
    launch(write_what_the_first_finds, (tmp_path,), processes=2, device="cpu")
    found = {file.name: file.read_text() for file in tmp_path.glob("found-*")}
    assert len(found) == 2
    assert len(set(found.values())) == 1


def test_a_process_by_itself_is_the_first():
    assert is_main_process()
    assert get_world_size() == 1
    assert broadcast_from_main(lambda: 3) == 3


def test_more_processes_than_devices_are_an_error_with_both_numbers(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # this machine may have any number
    with pytest.raises(TrainingError, match=r"train.processes is 2, but this machine has 1 cuda device; set it to 1"):
        check_processes(train_params(processes=2), "cuda")


def test_a_launcher_that_started_another_number_is_an_error(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"started 4 on this machine.*--nproc-per-node 2"):
        check_processes(train_params(processes=2), "cpu")
    with pytest.raises(TrainingError, match=r"batch_size 4 is less than the 8 processes"):
        check_processes(train_params(processes=4), "cpu")


def until(holds, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_gone(folder):
    pids = [int(file.stem) for file in folder.glob("*.pid")]
    assert pids
    until(lambda: not any(alive(pid) for pid in pids), seconds=30)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
