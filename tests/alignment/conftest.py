"""Fixtures of the tests of room `alignment`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.gate import build_bounds

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # as stage align sets it

from seodang.config import AlignParams

_PARAMS: dict[str, Any] = {
    "method": "dpo",
    "reward": "rules",
    "reward_model": {"learning_rate": 5e-3, "epochs": 3.0},
    "sources": [],
    "seed": 1,
    "beta": 0.1,
    "likelihood_weight": 0.0,
    "replay_ratio": 0.0,
    "learning_rate": 5e-3,
    "lr_scheduler": "linear",
    "warmup_ratio": 0.1,
    "epochs": 3.0,
    "batch_size": 4,
    "micro_batch_size": 2,
    "max_length": 128,
    "max_grad_norm": 1.0,
    "desirable_weight": 1.0,
    "undesirable_weight": 1.0,
    "prompts": 16,
    "selections": 2,
    "drop_uniform_prompts": False,
    "group_size": 4,
    "max_new_tokens": 8,
    "temperature": 1.0,
    "measured_prompts": 4,
    "bounds": build_bounds().model_dump(),
    "save_steps": 2,
    "logging_steps": 1,
}


@pytest.fixture(scope="session")
def build_align_params() -> Callable[..., AlignParams]:
    """Builds section `align` of a small run, with changes."""
    return lambda **changes: AlignParams.model_validate({**_PARAMS, **changes})


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: matrices of this size lose more by waiting for a second thread than they gain."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tuned_adapter(tiny_model: Path, make_tiny_adapter: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny model whose delta is not zero. Tests read it."""
    return Path(make_tiny_adapter(tiny_model, tmp_path_factory.mktemp("tuned") / "adapter"))
