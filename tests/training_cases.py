"""Small training runs: a tiny real model, a dozen records, a few optimizer steps."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from transformers import TrainerCallback

from seodang.config import TrainParams
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.methods import get_method
from seodang.models.tokenization import get_end_id, get_pad_id
from seodang.records import Record, compute_record_id
from seodang.training.dataset import TokenizedDataset, read_tokenized_dataset, write_tokenized_dataset
from seodang.training.distributed import broadcast_from_main, is_main_process
from seodang.training.finetune import Splits, TrainingPaths, train_model
from seodang.training.launching import launch
from seodang.training.result import TrainingResult
from seodang.training.tracking import track_run

_QUESTIONS = ("이 문장의 감정은?", "Classify the sentiment of this sentence", "다음 문장의 감정을 분석해 주세요")


def train_params(**changes: object) -> TrainParams:
    values = {
        "seed": 1,
        "device": "cpu",
        "precision": "fp32",
        "method": "lora",
        "rank": 4,
        "alpha": 8,
        "dropout": 0.0,
        "target_modules": ["all-linear"],
        "learning_rate": 5e-3,
        "lr_scheduler": "constant",
        "warmup_ratio": 0.0,
        "decay_ratio": 0.0,
        "epochs": 2.0,
        "batch_size": 4,
        "tokens_per_micro_batch": 256,
        "max_length": 128,
        "packing": True,
        "share_prefixes": True,
        "kernels": "auto",
        "activation_checkpointing": False,
        "neftune_noise_alpha": 0.0,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "early_stopping_patience": 0,
        "eval_steps": None,
        "save_steps": 100,
        "logging_steps": 1,
        "minimum_eos_ratio": 0.0,
        "report_samples": 0,
        "report_to": [],
        "processes": 1,
        "sharding": "none",
    }
    return TrainParams.model_validate({**values, **changes})


def records(count: int) -> list[Record]:
    """Return records of different lengths; some have a common prefix."""
    result = []
    for number in range(count):
        instruction, input = _QUESTIONS[number % 3], "영화가 정말 좋았다 " * (1 + number % 4) + str(number)
        output = "긍정" if number % 2 else "Good morning"
        result.append(
            Record(
                id=compute_record_id(instruction, input, output),
                instruction=instruction,
                input=input,
                output=output,
                language="ko",
                source="test",
                task="sentiment",
                cluster="sentiment",
            )
        )
    return result


def build_dataset(base: Path, folder: Path, count: int) -> TokenizedDataset:
    broadcast_from_main(lambda: write_tokenized_dataset(folder, records(count), load_tokenizer(base), "koalpaca", 128))
    return read_tokenized_dataset(folder)


class KillAt(TrainerCallback):
    """Ends the process with SIGKILL after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


class KillAtEnd(TrainerCallback):
    """Ends the process with SIGKILL after training, before the checks and before the weights are saved."""

    def on_train_end(self, args, state, control, **_):
        os.kill(os.getpid(), signal.SIGKILL)


class KillAllAt(TrainerCallback):
    """Ends all processes of a session with SIGKILL after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self._step and state.is_world_process_zero:
            os.killpg(0, signal.SIGKILL)


def run_killed(base: Path, folder: Path, train: TrainParams, step: int | None, count: int = 16) -> None:
    """Train in a separate process until it is killed after an optimizer step; None: after the last one."""
    killer = KillAtEnd() if step is None else KillAt(step)
    _run_until_killed(run_training, (base, folder, train, count, [killer]))


def _run_until_killed(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    code = "import pickle, sys; import training_cases; function, arguments = pickle.load(sys.stdin.buffer);"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} function(*arguments)"],
        input=pickle.dumps((function, arguments)),
        capture_output=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def run_training(
    base: Path, folder: Path, train: TrainParams, count: int = 16, callbacks: Sequence[TrainerCallback] = ()
) -> TrainingResult:
    """Train on `count` records, in `folder`: adapter, live, run."""
    tokenizer = load_tokenizer(base)
    splits = Splits(build_dataset(base, folder / "train", count), build_dataset(base, folder / "validation", 5))
    model = load_model(base, train.precision, "cpu", load_in_4bit=get_method(train).loads_in_4bit)
    with track_run(train, {"train": train}, live=folder / "live", runs=folder / "report_to") as tracking:
        tracking.callbacks.extend(callbacks)
        return train_model(
            model,
            splits,
            train,
            tracking,
            pad_token_id=get_pad_id(tokenizer),
            eos_token_id=get_end_id(tokenizer, "koalpaca"),
            device="cpu",
            paths=TrainingPaths(base=base, checkpoints=folder / "run", output=folder / "adapter"),
        )


class Interrupted(Exception):
    """Ends a run in all processes, which then go on with the next case."""


class InterruptAt(TrainerCallback):
    """Raises Interrupted in all processes after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self._step:
            raise Interrupted


def run_together_killed(base: Path, cases: Mapping[Path, TrainParams], step: int, count: int = 16) -> None:
    """Train in the same processes, each case until an optimizer step.

    SIGKILL ends the last case in all processes and their parent; an exception ends the others.
    """
    *others, _last = cases
    callbacks = {folder: InterruptAt(step) if folder in others else KillAllAt(step) for folder in cases}
    _run_until_killed(_launch_cases, (base, cases, count, callbacks))


def run_together(base: Path, cases: Mapping[Path, TrainParams], count: int = 16) -> dict[Path, TrainingResult]:
    """Train each case in its folder, one after the other in the same processes, as importing torch takes long."""
    _launch_cases(base, cases, count, {})
    return {folder: pickle.loads((folder / "result").read_bytes()) for folder in cases}


def _launch_cases(
    base: Path, cases: Mapping[Path, TrainParams], count: int, callbacks: Mapping[Path, TrainerCallback]
) -> None:
    (processes,) = {train.processes for train in cases.values()}
    launch(_run_cases, (base, cases, count, callbacks), processes=processes, device="cpu")


def _run_cases(
    base: Path, cases: Mapping[Path, TrainParams], count: int, callbacks: Mapping[Path, TrainerCallback]
) -> None:
    for folder, train in cases.items():
        try:
            result = run_training(base, folder, train, count, [callbacks[folder]] if folder in callbacks else [])
        except Interrupted:
            continue
        if is_main_process():
            (folder / "result").write_bytes(pickle.dumps(result))


def curve(folder: Path, name: str) -> list[float]:
    """Return the values of a curve of the run in this folder."""
    return [
        float(line.split("\t")[-1])
        for line in (folder / "live" / "plots" / "metrics" / f"{name}.tsv").read_text().splitlines()[1:]
    ]


@contextmanager
def one_thread():
    """Use one thread: matrices of this size lose more by waiting for a second thread than they gain."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
