"""Hostile bodies against a real server: no failure, no text in the log.

Run: pytest -m slow tests/service/test_hostile_run.py; `make hostile` sends 10,000 bodies to the packaged service.
"""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from benchmarks.hostile import Result, find_fault, report, run
from benchmarks.hostile_bodies import ROUTES, make_body
from benchmarks.soak import start_server
from tests.service.tool_cases import HERMES
from transformers import Qwen3Config, Qwen3ForCausalLM

from seodang.models.loading import load_tokenizer
from seodang.packaging.chat_template import build_chat_template
from seodang.service.routes.openapi_document import build_openapi

COUNT = 700


@pytest.fixture(scope="module")
def make_tools_model(make_tiny_model, write_tiny_manifest):
    """Writes an untrained package whose chat template has tools."""

    def make_tools_model(folder: Path) -> Path:
        make_tiny_model(folder)
        Qwen3ForCausalLM(Qwen3Config.from_pretrained(folder, max_position_embeddings=2000)).save_pretrained(folder)
        tokenizer = load_tokenizer(folder)
        tokenizer.chat_template = HERMES
        tokenizer.chat_template = build_chat_template("chat", tokenizer, splits_input=False)
        tokenizer.save_pretrained(folder)
        return write_tiny_manifest(folder, "chat", 24)

    return make_tools_model


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("has_tools", [False, True])
def test_no_hostile_body_makes_the_service_fail(packaged_model, make_tools_model, tmp_path, has_tools):
    model = make_tools_model(tmp_path / "model") if has_tools else packaged_model
    log = tmp_path / "log"
    process, url = start_server(model, log)
    try:
        result = run(process, url, log, list(range(COUNT)), clients=4)
    finally:
        process.kill()
    print(json.dumps(report(result), indent=2, ensure_ascii=False))
    assert result.faults == []
    answered = [path for path in ROUTES if result.statuses[f"{path} 200"]]
    assert answered == [path for path in ROUTES if path != "/feedback"]  # no body knows the id of an answer


def test_the_bodies_have_every_route_and_every_field(served):
    document = build_openapi(served.model)
    routes = {path: item["post"] for path, item in document["paths"].items() if "post" in item}
    assert set(ROUTES) == set(routes)
    sent: dict[str, set[str]] = {path: set() for path in ROUTES}
    for number in range(1500):
        path, body = make_body(number)
        try:
            sent[path] |= set(json.loads(body))
        except (ValueError, TypeError, RecursionError):  # damaged, or no object
            continue
    for path, operation in routes.items():
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert set(schema["properties"]) <= sent[path], path


def test_a_body_is_the_same_each_time():
    assert [make_body(number) for number in range(100)] == [make_body(number) for number in range(100)]


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (500, "application/json", '{"error": {"message": "", "type": "", "param": null, "code": null}}'),
        (400, "application/json", '{"detail": "no"}'),
        (200, "text/event-stream", "data: {}\n\n"),
        (200, "text/event-stream", 'data: {"error":{"code":"internal_error"}}\n\ndata: [DONE]\n\n'),
        (422, "application/json", "{}"),
    ],
)
def test_what_is_wrong_is_found(status, kind, text):
    assert find_fault(status, httpx.Headers({"content-type": kind}), text) is not None
    assert find_fault(200, httpx.Headers({"content-type": "application/json"}), "{}") is None
    result = Result()
    result.statuses["/batch 400"] = 2
    assert report(result)["by_status"] == {"400": 2}
