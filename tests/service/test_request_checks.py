"""Hosts of other sites, and an engine that has stopped. Run: pytest tests/service/test_request_checks.py"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
import torch
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.inference.engine.engine_contract import exhaust
from tests.service.conftest import ScriptedEngine
from tests.service.test_errors import check_error

from seodang.errors import EvaluationError, SeodangError
from seodang.inference.engine.contract import EngineStopped, SamplingOptions, TokenRequest
from seodang.service.context import ServiceContext
from seodang.service.http.api_error import build_stopped_error
from seodang.service.http.request_checks import VARIABLE
from seodang.service.lifecycle.draining import read_drain_seconds
from seodang.service.lifecycle.health import build_probe_error
from seodang.service.model.loading import load_context

KEY = "0123456789abcdef"
LOCAL = ["127.0.0.1", "127.0.0.1:3000", "LOCALHOST:1", "localhost.", "[::1]:3000", "127.8.8.8", "app.localhost:80"]
FOREIGN = [
    "evil.example",
    "evil.example:3000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "10.0.0.5",
    "",
    "@",
    "::1]",
]


@pytest.mark.parametrize("host", LOCAL)
def test_without_keys_this_machine_may_ask_under_its_names(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_without_keys_a_page_that_rebinds_its_name_is_refused(client, host):
    check_error(client.get("/v1/models", headers={"Host": host}), 403, code="host_not_allowed")
    check_error(client.post("/generate", json={"instruction": "가"}, headers={"Host": host}), 403)
    assert client.get("/livez", headers={"Host": host}).status_code == 200


def test_hosts_can_be_allowed_and_keys_need_none(served, build_client, monkeypatch):
    authorized = {"Authorization": f"Bearer {KEY}"}
    assert build_client(served, keys=f"a:{KEY}").get("/lineage", headers={"Host": "x.example", **authorized}).is_success
    monkeypatch.setenv(VARIABLE, " My.example, other.example ")
    for keys in ("", f"a:{KEY}"):
        client = build_client(served, keys=keys)
        for host, status in (("my.EXAMPLE:80", 200), ("localhost", 200), ("x.example", 403)):
            assert client.get("/lineage", headers={"Host": host, **authorized}).status_code == status
    monkeypatch.setenv(VARIABLE, "*")
    assert build_client(served).get("/lineage", headers={"Host": "x.example"}).status_code == 200


@dataclass
class StoppedEngine(ScriptedEngine):
    def get_failure(self) -> EngineStopped:
        return EngineStopped("the engine has stopped: MemoryError")


def test_an_engine_that_has_stopped_fails_the_probes_and_refuses_at_once(served, build_client):
    other = ServiceContext(served.model, StoppedEngine())
    for context in (other, ServiceContext(served.model, ScriptedEngine(), other_models=(other,))):
        client = build_client(context)
        for path in ("/livez", "/healthz", "/readyz", "/v1/models"):
            check_error(client.get(path), 503, code="engine_stopped")
            assert "the engine has stopped: MemoryError" in client.get(path).text
        check_error(client.post("/generate", json={"instruction": "가"}), 503, code="engine_stopped")


def test_an_engine_that_stops_ends_running_requests_with_503(script):
    client, _engine = script([5, EngineStopped("the engine has stopped: MemoryError")])
    batch = {"records": [{"instruction": "가"}] * 3}
    for path, body in (("/v1/completions", {"prompt": "가"}), ("/batch", batch)):
        answer = client.post(path, json=body)
        check_error(answer, 503, code="engine_stopped")
        assert answer.headers["retry-after"] == "1"
    stream = client.post("/v1/completions", json={"prompt": "가", "stream": True}).text
    assert '"code":"engine_stopped"' in stream
    assert stream.endswith("data: [DONE]\n\n")


def test_when_the_engines_thread_dies_every_request_ends_with_an_error(packaged_model, monkeypatch):
    engine = load_context(packaged_model, "tiny:0123456789ab").engine
    request = TokenRequest((5, 6), SamplingOptions(max_new_tokens=100, logit_bias={}))

    def fail():
        raise MemoryError

    async def run():
        assert engine.get_failure() is None
        monkeypatch.setattr(engine._worker, "work", fail)
        for _ in range(2):  # the one that is running, and one that comes later
            with pytest.raises(EngineStopped, match="the engine has stopped"):
                async for _step in engine.submit(request):
                    pass
        assert engine.get_failure() is not None
        await engine.close(0)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_fault_of_the_accelerator_ends_the_engine_and_lack_of_memory_does_not(packaged_model, monkeypatch):
    """After a fault of CUDA every later step fails, too."""
    engine = load_context(packaged_model, "tiny:0123456789ab").engine
    embed = engine._model.get_input_embeddings()
    request = TokenRequest((5, 6), SamplingOptions(max_new_tokens=3))

    def fail_with(error):
        def fail(_ids):
            raise error

        return fail

    async def run():
        for error, kind in ((torch.OutOfMemoryError(), EvaluationError), (torch.AcceleratorError(), EngineStopped)):
            with monkeypatch.context() as patch:
                patch.setattr(embed, "forward", fail_with(error))
                with pytest.raises(kind):
                    await exhaust(engine.submit(request))
            assert (engine.get_failure() is None) == (kind is EvaluationError)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_bentoml_sends_the_error_of_a_probe_in_the_shape_of_all_errors(served):
    error = build_probe_error(build_stopped_error(StoppedEngine().get_failure()))

    async def probe(_request):
        raise error

    answer = TestClient(Starlette(routes=[Route("/livez", probe)])).get("/livez")
    check_error(answer, 503, code="engine_stopped")
    assert answer.headers["retry-after"] == "1"


def test_the_time_of_draining_is_read_from_the_environment():
    assert read_drain_seconds({}) == read_drain_seconds({"SEODANG_DRAIN_SECONDS": ""}) == 30
    assert read_drain_seconds({"SEODANG_DRAIN_SECONDS": "0.5"}) == 0.5
    for value in ("-1", "x", "nan", "inf", "3601"):
        with pytest.raises(SeodangError, match="SEODANG_DRAIN_SECONDS must be a number of seconds from 0 to 3600"):
            read_drain_seconds({"SEODANG_DRAIN_SECONDS": value})
