"""Metrics of the service, and the dashboard that shows them."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.constants import KOREAN, ROOT

from seodang.service.context import ServiceContext
from seodang.service.model.loading import load_context

DASHBOARD = ROOT / "deploy" / "grafana" / "seodang.json"
NAME = re.compile(r"\b(?:vllm|seodang):\w+")
Sample = tuple[str, frozenset[tuple[str, str]]]
ReadMetrics = Callable[[TestClient], dict[Sample, float]]


@pytest.fixture(scope="module")
def counted(packaged_model, build_client) -> Iterator[TestClient]:
    """A client of a model that no other test counts."""
    with build_client(load_context(packaged_model, "counted:0123456789ab")) as client:
        yield client


def read_metrics(client: TestClient) -> dict[Sample, float]:
    reply = client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(reply.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def count(client: TestClient, use: Callable[[], Any], name: str = "counted") -> dict[str, float]:
    """Return what a use adds to each metric of one model, and to the errors; 0 is left out."""
    before = read_metrics(client)
    use()
    added = {key: value - before.get(key, 0) for key, value in read_metrics(client).items()}
    return {
        "/".join([sample, *sorted(value for label, value in labels if label != "model_name")]): value
        for (sample, labels), value in added.items()
        if value
        and NAME.match(sample)
        and not sample.endswith(("_bucket", "_created"))
        and dict(labels).get("model_name", name) == name
    }


def test_an_answer_is_counted_with_its_tokens_and_times(counted):
    replies: list[Any] = []
    request = {"instruction": KOREAN[0], "input": KOREAN[1]}
    added = count(counted, lambda: replies.append(counted.post("/generate", json=request).json()))
    usage = replies[0]["usage"]
    tokens = usage["completion_tokens"]
    assert added["vllm:prompt_tokens_total"] == added["vllm:request_prompt_tokens_sum"] == usage["prompt_tokens"]
    assert added["vllm:generation_tokens_total"] == added["vllm:request_generation_tokens_sum"] == tokens
    assert added["vllm:request_success_total/stop"] == 1
    assert added["vllm:inter_token_latency_seconds_count"] == tokens - 1
    # A step reads prompts and then answers, so it may give two tokens; nothing else ran beside it.
    assert tokens / 2 <= added["seodang:batch_requests_count"] == added["seodang:batch_requests_sum"] <= tokens
    for name in ("time_to_first_token", "e2e_request_latency", "request_queue_time", "request_time_per_output_token"):
        assert added[f"vllm:{name}_seconds_count"] == 1
        assert 0 <= added.get(f"vllm:{name}_seconds_sum", 0) < 60
    assert added["vllm:time_to_first_token_seconds_sum"] <= added["vllm:e2e_request_latency_seconds_sum"]


def test_prompt_tokens_from_the_prefix_cache_are_hits(counted):
    request = {"prompt": [5] * 100, "max_tokens": 1}
    added = [count(counted, lambda: counted.post("/v1/completions", json=request)) for _ in range(2)]
    assert [each["vllm:prefix_cache_queries_total"] for each in added] == [100, 100]
    assert "vllm:prefix_cache_hits_total" not in added[0]
    assert 64 <= added[1]["vllm:prefix_cache_hits_total"] < 100


def test_each_end_of_an_answer_has_its_reason(counted, script):
    def post(client: TestClient, **fields: Any) -> Any:
        return client.post("/v1/completions", json={"prompt": "가", "max_tokens": 20, **fields})

    client, engine = script("나다라마바사")
    added = count(client, lambda: post(client), "tiny")
    assert added["vllm:request_success_total/stop"] == 1
    added = count(client, lambda: post(client, max_tokens=1), "tiny")
    assert added["vllm:request_success_total/length"] == 1
    added = count(client, lambda: post(client, stop="다"), "tiny")  # the engine sees a reader that goes
    assert engine.closed == 3
    assert added["vllm:request_success_total/stop"] == 1
    assert "vllm:request_success_total/abort" not in added
    client, _engine = script([5, RuntimeError()])
    added = count(client, lambda: post(client), "tiny")
    assert added["vllm:request_success_total/error"] == 1
    assert added["seodang:request_errors_total/500/internal_error"] == 1
    assert "vllm:e2e_request_latency_seconds_count" not in added
    added = count(client, lambda: post(client, stream=True), "tiny")
    assert added["seodang:request_errors_total/500/internal_error"] == 1


def test_an_answer_that_nobody_reads_is_aborted(served):
    import asyncio

    from seodang.inference.engine.contract import SamplingOptions, TokenRequest
    from seodang.service.telemetry.metered_steps import MeteredSteps
    from seodang.service.telemetry.metrics import get_metrics

    async def stop_reading() -> None:
        request = TokenRequest((5, 6), SamplingOptions(max_new_tokens=20, stop_ids=frozenset({10**6})))
        steps = MeteredSteps(served.engine.submit(request), request, "aborted", "aborted:1")
        await anext(steps)
        await steps.aclose()
        await steps.aclose()

    asyncio.run(stop_reading())
    assert get_metrics().answers.labels("aborted", "abort")._value.get() == 1


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (("GET", "/nowhere", None), "404/not_found"),
        (("POST", "/generate", {"instruction": ""}), "400/invalid_value"),
        (("POST", "/generate", {"instruction": "가", "model": "시의 제목"}), "404/model_not_found"),
        (("POST", "/generate", []), "400/invalid_value"),
    ],
)
def test_errors_are_counted_by_status_and_code(counted, request_, code):
    method, path, body = request_
    added = count(counted, lambda: counted.request(method, path, json=body))
    assert added == {f"seodang:request_errors_total/{code}": 1}


def test_a_full_queue_is_counted(script):
    client, engine = script("가")
    engine.is_full = True
    added = count(client, lambda: client.post("/generate", json={"instruction": "가"}), "tiny")
    assert added["seodang:request_errors_total/429/queue_full"] == 1


def test_no_label_has_a_text_of_a_request(counted):
    secret = "비밀스러운-이름"
    counted.post("/generate", json={"instruction": secret, "model": secret})
    counted.post("/v1/chat/completions", json={"messages": [{"role": secret, "content": secret}], secret: secret})
    counted.get(f"/{secret}")
    counted.request("PUT", f"/v1/models/{secret}")
    assert secret not in counted.get("/metrics").text
    assert set(re.findall(r'code="([^"]*)"', counted.get("/metrics").text)) <= {
        "", "internal_error", "invalid_json", "invalid_value", "method_not_allowed", "model_not_found", "not_found",
        "queue_full", "stopping", "unsupported_parameter", "context_length_exceeded", "body_too_large", "body_timeout",
        "invalid_api_key", "no_keys", "answer_timeout", "rate_limit_exceeded", "invalid_request", "unsupported_encoding",
        "host_not_allowed", "invalid_header", "header_too_large", "engine_stopped",
        "too_many_concurrent_requests", "connections", "invalid_http", "header_timeout", "already_rated", "answer_not_found",
    }  # fmt: skip


def test_running_requests_are_reported_and_removed(counted):
    metrics = read_metrics(counted)
    label = frozenset({("model_name", "counted")})
    for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
        assert metrics[name, label] == 0


def test_the_load_of_each_adapter_is_reported_and_ends_at_zero(served):
    import asyncio

    from peft import LoraConfig, get_peft_model

    from seodang.inference.engine.contract import EngineLoad, SamplingOptions, TokenRequest
    from seodang.inference.engine.scheduler import Limits
    from seodang.inference.engine.transformers_engine import TransformersEngine

    model = copy.deepcopy(served.engine._model)
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    tuned: Any = get_peft_model(model, config, adapter_name="a")
    tuned.add_adapter("b", config)
    loads: list[EngineLoad] = []
    sizes: list[tuple[str | None, int]] = []
    observer: Any = SimpleNamespace(
        observe_load=loads.append,
        observe_batch=lambda adapter, rows: sizes.append((adapter, rows)),
        observe_stall=lambda seconds: None,
    )

    async def use() -> None:
        engine = TransformersEngine(tuned.eval(), [10**6], Limits(max_running=2))
        engine.set_observer(observer)
        options = SamplingOptions(max_new_tokens=4, stop_ids=frozenset({10**6}))
        requests = [TokenRequest((5, 6), options, adapter) for adapter in ("a", "b", "a", "b", "b")]

        async def read(request: TokenRequest) -> None:
            async for _step in engine.submit(request):
                pass

        await asyncio.gather(*map(read, requests))
        for request in requests[:2]:  # one after the other: the counts are equal, the adapters are not
            await read(request)
        await engine.close(5)

    asyncio.run(use())
    assert {adapter for load in loads for adapter, count in load.running.items() if count} == {"a", "b"}
    assert max(sum(load.running.values()) for load in loads) == 2
    assert max(sum(load.waiting.values()) for load in loads) == 3
    assert (sum(loads[-1].running.values()), sum(loads[-1].waiting.values()), loads[-1].cache_usage) == (0, 0, 0)
    running = [adapter for adapter, _group in itertools.groupby(next(iter(load.running), None) for load in loads)]
    assert running[-4:] == ["a", None, "b", None]
    assert set(sizes) <= {("a", 1), ("a", 2), ("b", 1), ("b", 2)}


def test_metrics_need_no_key(served, build_client):
    client = build_client(served, "someone:0123456789abcdef")
    assert client.get("/metrics").status_code == 200
    assert client.get("/lineage").status_code == 401


def test_the_version_and_the_base_of_each_model_are_shown(served, build_client):
    model = replace(served.model, tag="child:fedcba987654", names=("child",), parent="parent:0")
    child = ServiceContext(model, served.engine)
    client = build_client(ServiceContext(served.model, served.engine, other_models=(child,)))
    labels = {("model_name", "child"), ("version", "fedcba987654"), ("parent", "parent")}
    assert read_metrics(client)["seodang:model_info", frozenset(labels)] == 1


def test_every_metric_of_the_dashboard_is_emitted(counted):
    counted.get("/nowhere")  # labels of errors exist from the first one
    emitted = {name for name, _labels in read_metrics(counted)}
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = {name for expression in expressions for name in NAME.findall(expression)}
    assert shown <= emitted
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in emitted if NAME.fullmatch(name)}
    unseen = {name for name in ours if not name.endswith("_created")} - {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in shown
    }
    assert unseen == set()


def test_the_autoscaler_reads_a_metric_that_is_emitted(counted):
    folder = ROOT / "deploy" / "kubernetes"
    (rule,) = yaml.safe_load((folder / "prometheus-adapter.yaml").read_text("utf-8"))["rules"]["custom"]
    (metric,) = yaml.safe_load((folder / "base" / "autoscaler.yaml").read_text("utf-8"))["spec"]["metrics"]
    assert rule["seriesQuery"].partition("{")[0] in {name for name, _labels in read_metrics(counted)}
    assert rule["name"]["as"] == metric["pods"]["metric"]["name"]


def test_the_dashboard_can_be_imported():
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    assert (dashboard["title"], dashboard["uid"], dashboard.get("id")) == ("Seodang", "seodang", None)
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "model_name": "query"}
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    positions = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(positions) == len(panels)
