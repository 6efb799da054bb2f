"""Several processes give the same curves and weights as one; an error or a signal in one process ends all of them."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.training.launched_functions import fail_in_rank_1, kill_rank_1, work_and_abort_at_exit

from seodang.errors import ParamsError, TrainingError, TrainingKilled
from seodang.models.adapters import compute_tuned_sha256
from seodang.training.distributed import broadcast_from_main, check_processes, get_world_size, is_main_process
from seodang.training.launching import launch

TOLERANCE = 1e-4
CASES = {
    "lora": {},
    # The last optimizer step has one of the 16 records, and one process none.
    "odd numbers": {"batch_size": 5, "tokens_per_micro_batch": 128},
    "padded": {"packing": False},
    "full": {"method": "full", "learning_rate": 1e-3, "eval_steps": 2, "save_steps": 2},
    "checkpointing": {"activation_checkpointing": True},
    "dora": {"method": "dora"},
}
# How the output layer is tied concerns which weights are wrapped, synchronized and saved: one case with adapters, one
# without.
RUNS = [*(("tied", name) for name in CASES), ("untied", "lora"), ("untied", "full")]
RESUMED = {
    "lora": {},
    "dropout": {"dropout": 0.1},
    "fsdp full": {"sharding": "fsdp", "method": "full", "learning_rate": 1e-3},
    "fsdp": {"sharding": "fsdp"},  # the last one: SIGKILL ends it, an exception the others
}


@pytest.fixture(scope="module")
def get_runs(tiny_model, untied_model, tmp_path_factory, build_train_params, run_together, run_training):
    """Return a function that trains the cases of a base once.

    One pair of processes trains them without and with sharding, then one process; the value has folder and result.
    """

    @cache
    def get_runs(tying):
        base, folder = {"tied": tiny_model, "untied": untied_model}[tying], tmp_path_factory.mktemp(tying)
        cases = {name: CASES[name] for base_tying, name in RUNS if base_tying == tying}
        pairs = {
            folder / sharding / name: build_train_params(processes=2, sharding=sharding, **changes)
            for sharding in ("none", "fsdp")
            for name, changes in cases.items()
        }
        results = run_together(base, pairs)
        singles = {folder / "single" / name: build_train_params(**changes) for name, changes in cases.items()}
        return {**results, **{path: run_training(base, path, train) for path, train in singles.items()}}

    return get_runs


def find_run(runs, sharding, name):
    return next((path, result) for path, result in runs.items() if path.parts[-2:] == (sharding, name))


def read_weights(folder):
    return {
        name: weight for file in (folder / "adapter").glob("*.safetensors") for name, weight in load_file(file).items()
    }


def read_model_config(folder):
    names = ("adapter_config.json", "config.json")
    file = next(folder / "adapter" / name for name in names if (folder / "adapter" / name).exists())
    return json.loads(file.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
@pytest.mark.parametrize(("tying", "name"), RUNS)
def test_two_processes_train_as_one_does(get_runs, tying, sharding, name, read_curve):
    runs = get_runs(tying)
    (two, together), (one, alone) = find_run(runs, sharding, name), find_run(runs, "single", name)
    assert together.steps == alone.steps == 8
    assert together.trainable_parameters == alone.trainable_parameters
    assert together.parameters == alone.parameters
    for metric in ("train_loss", "validation_loss", "gradient_norm"):
        assert read_curve(two, metric) == pytest.approx(read_curve(one, metric), abs=TOLERANCE), metric
    assert together.health.max_logit_change == pytest.approx(alone.health.max_logit_change, abs=TOLERANCE)
    assert {path.name for path in (two / "adapter").iterdir()} == {path.name for path in (one / "adapter").iterdir()}
    weights, expected = read_weights(two), read_weights(one)
    assert weights.keys() == expected.keys()
    assert all(torch.allclose(weights[key], expected[key], rtol=0, atol=TOLERANCE) for key in expected)
    assert read_model_config(two) == read_model_config(one)


@pytest.mark.slow
@pytest.mark.parametrize("tying", ["tied", "untied"])
@pytest.mark.parametrize(("sharding", "parts"), [("none", set()), ("fsdp", {"__0_0.distcp", "__1_0.distcp"})])
def test_with_sharding_each_process_writes_its_part_of_a_checkpoint(get_runs, tying, sharding, parts):
    folder, _result = find_run(get_runs(tying), sharding, "full")
    assert {path.name for path in folder.glob("run/checkpoint-*/pytorch_model_fsdp_0/*.distcp")} == parts


@pytest.fixture(scope="module")
def resumed(tiny_model, tmp_path_factory, build_train_params, run_together, run_together_killed):
    """Every case of RESUMED, trained for 8 steps at once, and ended after step 7 and resumed: folders and results."""
    folder = tmp_path_factory.mktemp("resumed")
    train = {name: build_train_params(processes=2, save_steps=2, **RESUMED[name]) for name in RESUMED}
    run_together_killed(tiny_model, {folder / "resumed" / name: train[name] for name in RESUMED}, step=7)
    assert not list(folder.rglob("adapter"))
    cases = {folder / kind / name: train[name] for kind in ("resumed", "uninterrupted") for name in RESUMED}
    return run_together(tiny_model, cases)


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMED)
def test_killed_and_started_again_two_processes_end_with_the_same_weights(resumed, name):
    (folder, result), (other, uninterrupted) = (find_run(resumed, kind, name) for kind in ("resumed", "uninterrupted"))
    assert (result.resume_steps, uninterrupted.resume_steps) == ([6], [])
    assert compute_tuned_sha256(folder / "adapter") == compute_tuned_sha256(other / "adapter")


@pytest.fixture
def _short_grace(monkeypatch):
    """Give processes that another one leaves alone little time to end by themselves."""
    monkeypatch.setattr("seodang.training.launching._GRACE_SECONDS", 0.5)


@pytest.mark.slow
@pytest.mark.usefixtures("_short_grace")
def test_the_error_of_one_process_ends_all_and_is_raised(tmp_path):
    with pytest.raises(ParamsError, match=r"^process 1 failed$"):
        launch(fail_in_rank_1, (tmp_path,), processes=2, device="cpu")
    assert_gone(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (signal.SIGKILL, r"process 2 of 2 was killed \(SIGKILL\).*memory"),
        (signal.SIGABRT, r"the signal SIGABRT ended process 2 of 2 before it had finished(?!.*memory)"),
    ],
    ids=["SIGKILL", "SIGABRT"],
)
@pytest.mark.usefixtures("_short_grace")
def test_a_process_that_a_signal_ends_ends_all_and_only_sigkill_suggests_memory(tmp_path, number, message):
    with pytest.raises(TrainingKilled, match=message) as killed:
        launch(kill_rank_1, (tmp_path, number), processes=2, device="cpu")
    assert killed.value.exit_code == 75  # so that a flow tries again
    assert_gone(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of two processes that did their work, after which the main process aborted at exit."""
    folder = tmp_path_factory.mktemp("finished")
    launch(work_and_abort_at_exit, (folder,), processes=2, device="cpu")
    return folder


@pytest.mark.slow
def test_a_process_that_aborts_at_exit_after_its_work_is_a_success(finished):
    assert len(list(finished.glob("finished-*"))) == 2


@pytest.mark.slow
def test_all_processes_get_the_value_of_the_main_process(finished):
    values = {file.name: file.read_text() for file in finished.glob("value-*")}
    assert len(values) == 2
    assert len(set(values.values())) == 1


@pytest.mark.slow
def test_warnings_of_libraries_do_not_reach_the_user(finished):
    assert {file.read_text() for file in finished.glob("warnings-*")} == {"['of the user'] 40"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_to_the_parent_ends_all(tmp_path, number):
    code = [
        "import sys, signal",
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))",
        "signal.signal(signal.SIGINT, signal.default_int_handler)",  # a shell's background job would ignore it
        "from tests.training.launched_functions import *",
        f"launch(sleep, (Path({str(tmp_path)!r}),), processes=2, device='cpu')",
    ]
    parent = subprocess.Popen(
        [sys.executable, "-c", "; ".join(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    parent.send_signal(number)
    parent.wait(30)
    assert_gone(tmp_path)


def test_a_single_process_is_the_main_process():
    assert is_main_process()
    assert get_world_size() == 1
    assert broadcast_from_main(lambda: 3) == 3


def test_more_processes_than_devices_are_an_error_with_both_numbers(monkeypatch, build_train_params):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # this machine may have any number
    with pytest.raises(TrainingError, match=r"train.processes is 2, but this machine has 1 cuda device; set it to 1"):
        check_processes(build_train_params(processes=2), "cuda")


def test_an_error_is_korean_for_a_korean_user(monkeypatch, build_train_params):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(TrainingError, match=r"이 컴퓨터에는 cuda 장치가 1개"):
        check_processes(build_train_params(processes=2), "cuda")


def test_a_launcher_that_started_another_number_is_an_error(monkeypatch, build_train_params):
    for name, value in {"RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"started 4 processes on this machine.*--nproc-per-node 2"):
        check_processes(build_train_params(processes=2), "cpu")
    with pytest.raises(TrainingError, match=r"batch_size 4 is less than the 8 processes"):
        check_processes(build_train_params(processes=4), "cpu")


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_gone(folder):
    pids = [int(file.stem) for file in folder.glob("*.pid")]
    assert pids
    wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds=30)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
