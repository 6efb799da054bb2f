"""A step that never ends stops the engine; nothing else does. Run: pytest tests/inference/engine/test_step_watch.py"""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest
import torch
from tests.inference.engine.test_engine_contract import END, make_llama, make_mamba

from seodang.inference.engine.contract import EngineStopped, SamplingOptions, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.step_watch import StallClock, StepProgress, get_check_interval, watch_layers
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.inference.engine.vllm_heartbeat import Heartbeat

SOON = Limits(max_running=2, step_seconds=0.2)
REQUEST = TokenRequest(
    (5, 6, 7), SamplingOptions(max_new_tokens=3, stop_ids=frozenset({END}), logit_bias={END: -100.0})
)


def measure(clock, marks_and_times):
    return [clock.measure(mark, now) for mark, now in marks_and_times]


def test_time_counts_from_the_first_check_that_sees_a_step():
    assert measure(StallClock(1.0), [(1, 10.0), (1, 11.0), (1, 12.5), (2, 13.5), (2, 14.5)]) == [0, 1, 2.5, 0, 1]


def test_an_engine_that_rests_is_never_late():
    assert measure(StallClock(1.0), [(None, float(second)) for second in range(1000)]) == [0.0] * 1000
    assert measure(StallClock(1.0), [(1, 0.0), (1, 1.0), (None, 2.0), (1, 3.0), (1, 4.0)]) == [0, 1, 0, 0, 1]


def test_a_stopped_process_or_a_sleeping_machine_counts_as_two_checks():
    assert measure(StallClock(1.0), [(1, 0.0), (1, 1.0), (1, 90_001.0), (1, 90_002.0)]) == [0, 1, 3, 4]


def test_checks_are_ten_within_the_limit_and_one_a_second_at_most():
    assert [get_check_interval(limit) for limit in (0.2, 5.0, 300.0, 86_400.0)] == [0.02, 0.5, 1.0, 1.0]


class Hang:
    """Holds a forward pass until the test ends."""

    def __init__(self, engine):
        self._released = threading.Event()
        self._embed = engine._model.get_input_embeddings()
        self._forward = self._embed.forward

    def __enter__(self):
        self._embed.forward = self._wait

    def __exit__(self, *_error):
        self._embed.forward = self._forward
        self._released.set()

    def _wait(self, ids):
        self._released.wait(60)
        return self._forward(ids)


async def exhaust(stream):
    async for _step in stream:
        pass


@pytest.mark.parametrize("make", [make_llama, make_mamba], ids=["in a batch", "alone"])
def test_a_step_that_hangs_ends_every_request_and_the_engine(make, caplog):
    engine = TransformersEngine(make(), [END], SOON)
    stalls = []
    engine.set_observer(
        SimpleNamespace(
            observe_load=lambda load: None, observe_batch=lambda adapter, rows: None, observe_stall=stalls.append
        )
    )

    async def run():
        with Hang(engine):
            streams = [engine.submit(REQUEST) for _ in range(5)]  # two run, three wait
            ends = await asyncio.gather(*map(exhaust, streams), return_exceptions=True)
            assert [str(end) for end in ends] == [str(engine.get_failure())] * 5
            with pytest.raises(EngineStopped, match="the engine has stopped: a step has not ended for 0 s"):
                engine.submit(REQUEST)
            await engine.close(0)  # does not wait for the step
            assert engine._thread.is_alive()
        await asyncio.to_thread(engine._thread.join, 20)  # one that goes on after all ends, too
        assert not engine._thread.is_alive()
        assert isinstance(engine.get_failure(), EngineStopped)

    asyncio.run(asyncio.wait_for(run(), 40))
    assert stalls[-1] >= SOON.step_seconds
    (record,) = [record for record in caplog.records if record.name.endswith("step_watch")]
    assert "test_step_watch.py" in "".join(record.fields["trace"])  # where it hangs


def test_the_engine_shows_that_it_computes_and_that_it_rests():
    engine = TransformersEngine(make_llama(), [END])
    assert engine._watch._limit == Limits().step_seconds == 300
    marks = []
    embed = engine._model.get_input_embeddings()
    embed.register_forward_pre_hook(lambda _module, _inputs: marks.append(engine._progress.mark))

    async def run():
        await exhaust(engine.submit(REQUEST))
        while engine._progress.mark is not None:  # its thread has no work any more
            await asyncio.sleep(0.01)
        await engine.close(0)

    asyncio.run(asyncio.wait_for(run(), 40))
    assert len(marks) == len({*marks}) == 3
    assert None not in marks
    assert engine.get_failure() is None
    assert engine._watch._is_over.is_set()


def test_each_layer_of_a_long_forward_pass_is_progress():
    model, progress, marks = make_llama(), StepProgress(), []
    model.model.layers[1].register_forward_pre_hook(lambda _module, _inputs: marks.append(progress.mark))
    with torch.inference_mode():
        with watch_layers(model, progress):
            model(input_ids=torch.tensor([[5, 6]]))
        model(input_ids=torch.tensor([[5, 6]]))
    assert marks == [1, 2]
    assert progress.mark == 2


def test_vllm_is_late_when_it_does_not_answer_and_only_then():
    async def run():
        answer = asyncio.Event()
        heartbeat = Heartbeat(SimpleNamespace(is_sleeping=answer.wait), limit=0.02)
        assert [heartbeat.measure(is_busy=False) for _ in range(3)] == [0, 0, 0]
        assert heartbeat.measure(is_busy=True) == 0
        for _ in range(3):
            await asyncio.sleep(0.002)
            late = heartbeat.measure(is_busy=False)  # whether its requests were cancelled meanwhile or not
        assert late > 0
        answer.set()
        await asyncio.sleep(0)
        assert heartbeat.measure(is_busy=True) == 0
        heartbeat.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_an_error_of_vllm_is_an_answer():
    async def run():
        async def fail():
            raise RuntimeError

        heartbeat = Heartbeat(SimpleNamespace(is_sleeping=fail), limit=0.02)
        for _ in range(3):
            assert heartbeat.measure(is_busy=True) == 0
            await asyncio.sleep(0.004)

    asyncio.run(asyncio.wait_for(run(), 20))
