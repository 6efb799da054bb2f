"""vLLM's workers and the signals of a service. Run: pytest tests/inference/engine/test_vllm_signals.py

tests/service/test_engine_death.py sends them to a real vLLM.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from importlib import import_module
from multiprocessing.connection import Connection

import pytest

from seodang.inference.engine.vllm_signals import EXTENSION, SignalExtension


def ignore_and_signal(connection: Connection) -> None:
    """Send this process both signals after the call that vLLM passes on."""
    connection.send(SignalExtension().ignore_end_signals())
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    connection.send("alive")


@pytest.mark.parametrize(("name", "is_worker"), [("VllmWorker-0", True), ("EngineCore", False)])
def test_a_worker_outlives_the_signals_that_end_the_service_and_the_process_of_the_engine_does_not(name, is_worker):
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=ignore_and_signal, args=(writer,), name=name)
    process.start()
    writer.close()
    try:
        assert reader.recv() is is_worker
        if is_worker:
            assert reader.recv() == "alive"
        else:
            with pytest.raises(EOFError):
                reader.recv()
    finally:
        process.join(20)
    assert (process.exitcode == 0) is is_worker


def test_vllm_finds_the_extension_by_its_name():
    module, _, name = EXTENSION.rpartition(".")
    assert getattr(import_module(module), name) is SignalExtension
