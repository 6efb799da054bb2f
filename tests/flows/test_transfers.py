"""Only what may pass is tried again: transfers over a network, and stages that use one. Run: pytest tests/flows"""

from __future__ import annotations

import logging

import pytest
from flows import stages, transfers
from flows.commands import CommandFailed

from seodang.errors import RegistryError


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that transfers wait, without waiting."""
    waits: list[float] = []
    monkeypatch.setattr(transfers.time, "sleep", waits.append)
    monkeypatch.setattr(transfers, "get_run_logger", lambda: logging.getLogger("run"))
    return waits


class Remote:
    """Fails as often as it has errors, then gives the name of an experiment."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.attempts = list(errors), 0

    def __call__(self, *_arguments: object, **_options: object) -> str:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "exp-1"


def test_a_lost_connection_is_tried_again_after_growing_delays(monkeypatch, tmp_path, waits, caplog):
    remote = Remote(*[RegistryError("git fetch failed: could not resolve host: git.example")] * 2)
    monkeypatch.setattr(transfers, "fetch_experiment", remote)
    assert transfers.fetch_result(tmp_path, "exp-1") == "exp-1"
    assert waits == [5.0, 30.0]
    assert "could not resolve host: git.example; next attempt in 5 s" in caplog.text


def test_an_error_that_stays_is_raised_after_the_last_attempt(monkeypatch, tmp_path, waits):
    remote = Remote(*[RegistryError("git fetch failed: connection reset")] * 3)
    monkeypatch.setattr(transfers, "fetch_experiment", remote)
    with pytest.raises(RegistryError, match="connection reset"):
        transfers.fetch_result(tmp_path, "exp-1")
    assert (remote.attempts, len(waits)) == (3, 2)


@pytest.mark.parametrize(
    "message",
    [
        "ERROR: failed to pull data from the cloud - Checkout failed for following targets:\nb\nIs your cache up to date?",
        "ERROR: failed to push data to the cloud - config file error: no remote specified",
        "git push failed: remote: Permission denied to user",
        "ERROR: unexpected error - [Errno 28] No space left on device",
    ],
)
def test_what_a_retry_cannot_cure_fails_at_once(monkeypatch, tmp_path, waits, message):
    remote = Remote(CommandFailed(message))
    monkeypatch.setattr(transfers, "fetch_experiment", remote)
    with pytest.raises(CommandFailed):
        transfers.fetch_result(tmp_path, "exp-1")
    assert (remote.attempts, waits) == (1, [])


def test_only_stages_that_use_the_network_and_training_are_tried_again():
    """The gate's verdict, rejected data, and a refused package stay what they are."""
    assert {name: task.retries for name, task in stages.TASKS.items() if task.retries} == {
        "base": 2,
        "ingest": 2,
        "train": 1,
    }
