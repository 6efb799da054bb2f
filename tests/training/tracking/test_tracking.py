"""Tracking: complete curves after a kill, the same names in all trackers, a line per epoch, a bar on a terminal."""

import csv
import fcntl
import io
import json
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments

from seodang.config import TrainParams
from seodang.config.profiles import read_starter
from seodang.config.yaml_file import read_yaml
from seodang.errors import ArtifactError, TrainingError
from seodang.models.loading import load_model
from seodang.training.curves import (
    CURVES,
    EVERY_RUN,
    TRAIN_LOSS,
    VALIDATION_LOSS,
    get_curves_folder,
    read_curves,
)
from seodang.training.tracking import (
    TrainingMetrics,
    check_trackers,
    find_resume_steps,
    progress,
    remove_console_callbacks,
    track_run,
)
from seodang.training.tracking.progress import format_epoch_line
from seodang.training.tracking.trackers import flatten_params

ROOT = Path(__file__).resolve().parents[3]
NAMES = {curve.name for curve in EVERY_RUN}
EXAMPLES = [
    {"input_ids": [5, 6, 7, number % 90 + 8], "labels": [-100, -100, 7, number % 90 + 8]} for number in range(12)
]


def train_params(*trackers: str) -> TrainParams:
    return TrainParams.model_validate({**read_starter()["train"], "report_to": list(trackers)})


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "labels")}


class TinyTrainer(Trainer):
    """A Trainer that logs the metrics as SFTTrainer does."""

    training_metrics: TrainingMetrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if entry := self.training_metrics.build_log_entry(logs):
            super().log(entry, start_time)

    def compute_loss(self, model, inputs, **more):
        if model.training:
            rows, width = inputs["input_ids"].shape
            self.training_metrics.count(records=rows, tokens=rows * width, label_tokens=2 * rows)
        return super().compute_loss(model, inputs, **more)


class Killed(Exception):
    pass


class KillAfter(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            raise Killed


def run(base: Path, folder: Path, *trackers: str, killed_after: int = 0, resume: bool = False) -> TrainerState:
    """Train 9 optimizer steps in 3 epochs, with a checkpoint every 2 and a log entry every step."""
    train = train_params(*trackers)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        use_cpu=True,
        per_device_train_batch_size=4,
        num_train_epochs=3,
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="steps",
        save_steps=2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        seed=1,
    )
    with track_run(train, {"train": train}, live=folder / "live", runs=folder / "runs") as tracking:
        killing = [KillAfter(killed_after)] if killed_after else []
        trainer = TinyTrainer(
            model=load_model(base, "fp32", "cpu"),
            args=arguments,
            train_dataset=EXAMPLES,
            eval_dataset=EXAMPLES[:4],
            data_collator=collate,
            callbacks=[*tracking.callbacks, *killing],
        )
        trainer.training_metrics = tracking.metrics
        remove_console_callbacks(trainer)
        trainer.train(resume_from_checkpoint=resume)
        trainer.evaluate()
    return trainer.state


def test_every_curve_is_logged_by_its_update(tiny_model, tmp_path):
    run(tiny_model, tmp_path)
    curves = read_curves(tmp_path / "live")
    assert set(curves) == NAMES
    assert [step for step, _ in curves["train_loss"]] == list(range(1, 10))
    assert [step for step, _ in curves["validation_loss"]] == [3, 6, 9], "asked for once more at the end, output once"
    assert all(
        value > 0
        for name in ("tokens_per_second", "records_per_second", "memory_mb", "gradient_norm")
        for _, value in curves[name]
    )
    for (_, read), (_, learned), (_, records) in zip(
        *(curves[name] for name in ("tokens_per_second", "label_tokens_per_second", "records_per_second")),
        strict=True,
    ):
        assert read == pytest.approx(2 * learned, rel=1e-3)
        assert read == pytest.approx(4 * records, rel=1e-2)
    summary = json.loads((tmp_path / "live" / "metrics.json").read_text())
    assert set(summary) == NAMES | {"step"}
    assert summary["step"] == 9


def test_a_resumed_run_shows_its_complete_curve_once(tiny_model, tmp_path):
    uninterrupted = run(tiny_model, tmp_path / "uninterrupted")
    with pytest.raises(Killed):
        run(tiny_model, tmp_path / "cut", killed_after=5)
    before = read_curves(tmp_path / "cut" / "live")
    state = run(tiny_model, tmp_path / "cut", resume=True)
    curves = read_curves(tmp_path / "cut" / "live")
    assert curves["train_loss"] == read_curves(tmp_path / "uninterrupted" / "live")["train_loss"]
    assert [step for step, _ in curves["tokens_per_second"]] == list(range(1, 10))
    assert curves["tokens_per_second"][:4] == before["tokens_per_second"][:4], (
        "measured before the kill, kept by the checkpoint"
    )
    assert find_resume_steps(state.log_history) == [4]
    assert find_resume_steps(uninterrupted.log_history) == []
    seconds = [entry["elapsed_seconds"] for entry in state.log_history if "elapsed_seconds" in entry]
    assert seconds == sorted(seconds), "the clock goes on after the kill"


def test_nothing_of_an_earlier_run_is_left_in_the_curves(tiny_model, tmp_path):
    get_curves_folder(tmp_path / "live").mkdir(parents=True)
    (get_curves_folder(tmp_path / "live") / "train_loss.tsv").write_text("step\ttrain_loss\n700\t9.0\n")
    run(tiny_model, tmp_path)
    assert [step for step, _ in read_curves(tmp_path / "live")["train_loss"]] == list(range(1, 10))


def test_a_git_repository_without_a_commit_is_no_reason_to_stop(tiny_model, tmp_path, monkeypatch, caplog):
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        run(tiny_model, tmp_path)
    assert "make a first commit" in caplog.text
    assert set(read_curves(tmp_path / "live")) == NAMES


def test_nothing_prints_dictionaries(tiny_model, tmp_path, capsys):
    run(tiny_model, tmp_path)
    captured = capsys.readouterr()
    assert "{" not in captured.out + captured.err


def test_plain_logs_have_one_line_an_epoch(tiny_model, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="seodang"):
        run(tiny_model, tmp_path)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("epoch")]
    assert len(lines) == 3
    form = (
        r"epoch {0}/3, step {1}/9, training loss \d\.\d{{3}}, validation loss \d\.\d{{3}}, [\d,]+ tokens/s,"
        r" elapsed \d+:\d\d, remaining \d+:\d\d"
    )
    assert all(re.fullmatch(form.format(epoch, 3 * epoch), line) for epoch, line in enumerate(lines, 1)), lines


def test_the_lines_go_on_after_a_kill(tiny_model, tmp_path, caplog):
    with pytest.raises(Killed):
        run(tiny_model, tmp_path, killed_after=5)
    with caplog.at_level(logging.INFO, logger="seodang"):
        caplog.clear()
        run(tiny_model, tmp_path, resume=True)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("epoch")]
    assert [line.split(",")[0] for line in lines] == ["epoch 2/3", "epoch 3/3"]


def test_a_long_epoch_has_lines_before_its_end(tiny_model, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0)
    with caplog.at_level(logging.INFO, logger="seodang"):
        run(tiny_model, tmp_path)
    steps = {line.split(",")[1] for line in caplog.messages if line.startswith("epoch")}
    assert steps == {f" step {step}/9" for step in range(1, 10)}


def test_a_line_gives_the_mean_loss_of_its_epoch_and_the_time_left():
    history = [
        {"step": 20, "epoch": 0.8, "train_loss": 4.0},
        {"step": 40, "epoch": 1.6, "train_loss": 2.0, "tokens_per_second": 1234.4, "elapsed_seconds": 3725.0},
        {"step": 50, "epoch": 2.0, "train_loss": 1.0},
        {"step": 50, "epoch": 2.0, "validation_loss": 1.5},
    ]
    state = TrainerState(epoch=2.0, global_step=50, max_steps=112, num_train_epochs=5, log_history=history)
    # (20 * 2.0 + 10 * 1.0) / 30 steps; 112 steps are 4.48 epochs
    assert (
        format_epoch_line(state, 65.0)
        == "epoch 2/4.48, step 50/112, training loss 1.667, validation loss 1.500, 1,234 tokens/s,"
        " elapsed 1:02:05, remaining 1:05"
    )


@pytest.mark.parametrize("history", [[], [{"train_loss": 2.0, "step": 20, "epoch": 0.9}]])
def test_an_epoch_without_a_logged_loss_names_none(history):
    """An epoch may have fewer optimizer steps than train.logging_steps."""
    state = TrainerState(epoch=2.0, global_step=44, max_steps=44, num_train_epochs=2, log_history=history)
    line = format_epoch_line(state, 0.0)
    assert line.startswith("epoch 2/2, step 44/44, elapsed")
    assert "loss" not in line


BAR = """
import sys; sys.path[:0] = [{source!r}, {root!r}]
from pathlib import Path
from tests.training.tracking.test_tracking import run
run(Path({base!r}), Path({folder!r}))
"""


@pytest.mark.slow
def test_a_terminal_sees_one_bar_with_loss_and_time_left(tiny_model, tmp_path):
    code = BAR.format(source=str(ROOT / "src"), root=str(ROOT), base=str(tiny_model), folder=str(tmp_path))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=slave, stdout=slave, stdin=subprocess.DEVNULL)
    os.close(slave)
    output = io.BytesIO()
    try:
        while chunk := os.read(master, 4096):
            output.write(chunk)
    except OSError:  # the other end is closed: the program has ended
        pass
    assert process.wait() == 0
    text = output.getvalue().decode()
    assert re.search(r"training: +\d+%.*\d/9 .*loss=\d\.\d{3}", text)
    assert "{" not in text


def test_what_trainer_sums_up_at_the_end_is_no_curve():
    assert (
        TrainingMetrics().build_log_entry({"train_runtime": 3.0, "train_loss": 0.5, "train_samples_per_second": 4.0})
        == {}
    )


def test_a_damaged_curve_is_named(tmp_path):
    get_curves_folder(tmp_path).mkdir(parents=True)
    (get_curves_folder(tmp_path) / "train_loss.tsv").write_text("step\ttrain_loss\n7\t\n")
    with pytest.raises(ArtifactError, match=r"train_loss\.tsv"):
        read_curves(tmp_path)


def test_a_loss_that_is_not_a_number_is_read_as_it_is(tmp_path):
    get_curves_folder(tmp_path).mkdir(parents=True)
    (get_curves_folder(tmp_path) / "train_loss.tsv").write_text("step\ttrain_loss\n7\tnan\n")
    assert read_curves(tmp_path)["train_loss"][0][1] != read_curves(tmp_path)["train_loss"][0][1]


@pytest.mark.parametrize("name", ["mlflow", "tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_is_an_error_with_the_command(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    with pytest.raises(TrainingError, match=rf"uv pip install -c requirements.lock -e '\.\[{name}\]'"):
        check_trackers([name])


def test_parameters_are_named_as_in_params_yaml():
    flat = flatten_params({"train": train_params()})
    assert flat["train.learning_rate"] == 0.003
    assert flat["train.target_modules"] == "q_proj, v_proj, o_proj, up_proj, down_proj"
    assert flat["train.eval_steps"] == "None"


@pytest.mark.slow
def test_mlflow_gets_curves_and_parameters_in_a_local_store(tiny_model, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run(tiny_model, tmp_path, "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("seodang").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["train.learning_rate"] == "0.003"
    assert set(found.data.metrics) == NAMES
    history = client.get_metric_history(found.info.run_id, "train_loss")
    written = read_curves(tmp_path / "live")["train_loss"]
    assert [(point.step, pytest.approx(point.value)) for point in history] == written


def test_mlflow_gets_the_same_in_a_store_of_plain_files(tiny_model, tmp_path, monkeypatch):
    import mlflow

    mlflow.set_tracking_uri(None)  # a test before may have named another one in this process
    address = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow supports such stores only with this setting
    run(tiny_model, tmp_path, "mlflow")
    client = mlflow.MlflowClient(address)
    (found,) = client.search_runs([client.get_experiment_by_name("seodang").experiment_id])
    assert found.info.status == "FINISHED"
    assert set(found.data.metrics) == NAMES
    assert not (tmp_path / "runs" / "mlflow.db").exists()


@pytest.mark.slow
def test_a_run_that_dies_is_failed_in_mlflow_and_goes_on_as_a_whole(tiny_model, tmp_path, monkeypatch):
    import mlflow

    address = f"sqlite:///{tmp_path / 'own.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "trial")
    mlflow.set_tracking_uri(address)
    with pytest.raises(Killed):
        run(tiny_model, tmp_path, "mlflow", killed_after=5)
    run(tiny_model, tmp_path, "mlflow", resume=True)
    client = mlflow.MlflowClient(address)
    newest, oldest = client.search_runs(
        [client.get_experiment_by_name("trial").experiment_id], order_by=["start_time DESC"]
    )
    assert (newest.info.status, oldest.info.status) == ("FINISHED", "FAILED")
    assert [point.step for point in client.get_metric_history(newest.info.run_id, "train_loss")] == list(range(1, 10))


def test_tensorboard_gets_the_same_curves(tiny_model, tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    run(tiny_model, tmp_path, "tensorboard")
    (folder,) = (tmp_path / "runs" / "tensorboard").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    assert set(events.Tags()["scalars"]) == NAMES
    assert [(event.step, pytest.approx(event.value)) for event in events.Scalars("train_loss")] == read_curves(
        tmp_path / "live"
    )["train_loss"]
    assert "train.learning_rate: 0.003" in next(folder.rglob("hparams.yml")).read_text()


@pytest.mark.slow
def test_wandb_keeps_a_run_on_this_machine_when_it_is_offline(tiny_model, tmp_path, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run(tiny_model, tmp_path, "wandb")
    wandb.teardown()  # as at the end of a process: its writer is a process of its own
    (written,) = (tmp_path / "runs").rglob("run-*.wandb")
    content = written.read_bytes()
    for name in (*NAMES, "train.learning_rate"):
        assert name.encode() in content


@pytest.mark.slow
def test_wandb_without_a_key_says_so_before_training(monkeypatch, tmp_path):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(TrainingError, match="WANDB_MODE=offline"):
        check_trackers(["wandb"])


def test_a_tracker_that_fails_during_training_does_not_take_the_training_with_it(
    tiny_model, tmp_path, monkeypatch, caplog
):
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the server has gone")

    monkeypatch.setattr(mlflow, "log_metrics", unreachable)
    with caplog.at_level(logging.WARNING):
        run(tiny_model, tmp_path, "mlflow")
    assert caplog.text.count("the server has gone") == 1
    assert set(read_curves(tmp_path / "live")) == NAMES


def test_a_tracker_that_does_not_open_is_an_error_before_the_first_update(tiny_model, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://server")
    mlflow.set_tracking_uri("nowhere://server")
    with pytest.raises(TrainingError, match="mlflow does not open"):
        run(tiny_model, tmp_path, "mlflow")
    assert "train_loss" not in read_curves(tmp_path / "live")


def test_dvc_yaml_declares_the_folder_of_the_curves_and_plots_the_two_losses_of_every_run():
    pipeline = read_yaml(ROOT / "dvc.yaml")
    live = Path("artifacts/train/live")
    assert [Path(next(iter(plot))) for plot in pipeline["stages"]["train"]["plots"]] == [get_curves_folder(live)]
    plotted = next(plot["loss"] for plot in pipeline["plots"] if "loss" in plot)["y"]
    assert plotted == {
        f"{get_curves_folder(live)}/{curve.name}.tsv": curve.name for curve in (TRAIN_LOSS, VALIDATION_LOSS)
    }
    assert {TRAIN_LOSS, VALIDATION_LOSS} <= set(EVERY_RUN) <= set(CURVES)


def test_a_curve_is_a_table_that_any_program_reads(tiny_model, tmp_path):
    run(tiny_model, tmp_path)
    with (get_curves_folder(tmp_path / "live") / "memory_mb.tsv").open(newline="") as file:
        assert csv.DictReader(file, delimiter="\t").fieldnames == ["step", "memory_mb"]
