"""Fixtures of the tests of room `training`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from tests.training import training_processes

from seodang.config import TrainParams
from seodang.training.dataset import TokenizedDataset
from seodang.training.result import TrainingResult


class RunTraining(Protocol):
    """Trains a base on `count` records, in a folder: adapter, live, run."""

    def __call__(
        self, base: Path, folder: Path, train: TrainParams, count: int = 16, callbacks: Sequence[Any] = ()
    ) -> TrainingResult: ...


class RunKilled(Protocol):
    """Trains in a separate process until SIGKILL ends it after an optimizer step; None: after the last one."""

    def __call__(self, base: Path, folder: Path, train: TrainParams, step: int | None, count: int = 16) -> None: ...


class RunTogether(Protocol):
    """Trains each case in its folder, one after the other in the same processes, as importing torch takes long."""

    def __call__(
        self, base: Path, cases: Mapping[Path, TrainParams], count: int = 16
    ) -> dict[Path, TrainingResult]: ...


class RunTogetherKilled(Protocol):
    """Trains in the same processes, each case until an optimizer step; SIGKILL ends the last case in all of them."""

    def __call__(self, base: Path, cases: Mapping[Path, TrainParams], step: int, count: int = 16) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: matrices of this size lose more by waiting for a second thread than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # of the processes that a test launches
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def build_dataset() -> Callable[[Path, Path, int], TokenizedDataset]:
    """Writes a number of records, tokenized for a base, into a folder, and reads them."""
    return training_processes.build_dataset


@pytest.fixture(scope="session")
def run_training() -> RunTraining:
    return training_processes.run_training


@pytest.fixture(scope="session")
def run_killed() -> RunKilled:
    return training_processes.run_killed


@pytest.fixture(scope="session")
def run_together() -> RunTogether:
    return training_processes.run_together


@pytest.fixture(scope="session")
def run_together_killed() -> RunTogetherKilled:
    return training_processes.run_together_killed


@pytest.fixture(scope="session")
def read_curve() -> Callable[[Path, str], list[float]]:
    """Reads the values of a curve of the run in a folder."""

    def read_curve(folder: Path, name: str) -> list[float]:
        lines = (folder / "live" / "plots" / "metrics" / f"{name}.tsv").read_text().splitlines()
        return [float(line.split("\t")[-1]) for line in lines[1:]]

    return read_curve
