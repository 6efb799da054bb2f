"""Every error has OpenAI's shape and a right status. Run: pytest tests/service/test_errors.py"""

from __future__ import annotations

import json

import pytest

from seodang.service.context import ServiceContext
from seodang.service.web_app import ROUTES

ERROR_FIELDS = {"message", "type", "param", "code"}
POSTS = [path for method, path, _endpoint in ROUTES if method == "POST"]
GETS = [path.replace("{id:path}", "tiny") for method, path, _endpoint in ROUTES if method == "GET"]
CHAT = {"messages": [{"role": "user", "content": "가"}]}


def check_error(response, status: int, param: str | None = None, code: str | None = None) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == ERROR_FIELDS
    assert error["message"]
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert ("retry-after" in response.headers) is (status in (429, 503))
    assert "x-should-retry" not in response.headers
    return error["message"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/", "/generate/", "/v1/models/other", "/%00", "/%0A"])
def test_an_unknown_path_or_model_is_404(client, path):
    param = "model" if path.startswith("/v1/models") else None
    check_error(client.get(path), 404, param, "model_not_found" if param else "not_found")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_a_wrong_method_is_405_with_the_right_one(client, path, method):
    response = client.request(method, path)
    check_error(response, 405, code="method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", GETS)
def test_a_post_to_a_path_that_is_read_is_405(client, path):
    check_error(client.post(path, json={}), 405)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"null", b'"a"', b"\xff\xfe", b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":1}}', b"NaN"],
)
def test_a_body_that_is_no_object_is_400(client, path, body):
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert set(response.json()["error"]) == ERROR_FIELDS
    assert len(response.content) < 1000


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "media_type",
    ["multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "application/x-www-form-urlencoded", ""],
)
def test_another_type_than_json_is_400(client, path, media_type):
    response = client.post(path, content=b'--x\r\n{"instruction": "a"}', headers={"Content-Type": media_type})
    assert "application/json" in check_error(response, 400, code="invalid_json")


def test_a_full_queue_is_429_at_once_with_a_time_to_wait(script):
    client, _engine = script("가", is_full=True)
    for path, body in (("/v1/chat/completions", CHAT), ("/generate", {"instruction": "가"})):
        for stream in (False, True):
            check_error(client.post(path, json={**body, "stream": stream}), 429, code="queue_full")


def test_a_stopping_service_is_503_with_a_time_to_wait(served: ServiceContext, build_client):
    client = build_client(ServiceContext(served.model, served.engine, is_stopping=True))
    check_error(client.post("/generate", json={"instruction": "가"}), 503, code="stopping")
    check_error(client.get("/readyz"), 503)
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("error", [ValueError("비밀"), RuntimeError("비밀")])
def test_a_failure_is_500_without_its_message(script, error):
    client, _engine = script([error])
    assert "비밀" not in check_error(client.post("/v1/chat/completions", json=CHAT), 500, code="internal_error")


def test_an_error_repeats_little_of_the_request(client):
    body = json.dumps({"instruction": "가", **{f"field{n}" * 9: n for n in range(20_000)}})
    response = client.post("/generate", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert len(response.content) < 1000
    field = "\x1b[31m" + "x" * 5000
    error = client.post("/generate", json={"instruction": "가", field: 1}).json()["error"]
    assert len(error["param"]) <= 100
    assert "\x1b" not in error["param"] + error["message"]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"instruction": "  "}, "instruction", "must not be blank"),
        ({"input": "가"}, "instruction", "Field required"),
        ({"instruction": "가", "max_new_tokens": -1}, "max_new_tokens", "greater than 0"),
        ({"instruction": "가", "max_new_tokens": 0}, "max_new_tokens", "greater than 0"),
        ({"instruction": "가", "max_new_tokens": 10**30}, "max_new_tokens", "less than"),
        ({"instruction": "가", "max_new_tokens": "9"}, "max_new_tokens", "valid integer"),
        ({"instruction": "가", "max_new_tokens": 25}, "max_new_tokens", "must be from 1 to 24"),
        ({"instruction": "가", "temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"instruction": "가", "max_tokens": 9}, "max_tokens", "Extra inputs are not permitted"),
        ({"instruction": "가 " * 200}, "instruction", "exceeds the context window"),
        ({"instruction": "가" * 10**6}, "instruction", "exceeds the context window"),
        ({"instruction": 1}, "instruction", "valid string"),
    ],
)
def test_an_invalid_instruction_names_the_field_and_the_reason(client, body, param, message):
    assert message in check_error(client.post("/generate", json=body), 400, param)


def test_messages_follow_the_language_of_the_server(client, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    message = check_error(client.post("/generate", json={"instruction": "가 " * 200}), 400, "instruction")
    assert "줄이세요" in message
    assert "prompt is too long; it exceeds the context window" in message  # clients look for these words
    assert "경로" in check_error(client.get("/nowhere"), 404)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("/generate", "{}", "instruction: 값이 없습니다"),
        ("/generate", '{"instruction": 1}', "instruction: 텍스트여야 합니다"),
        ("/generate", '{"instruction": "가", "max_new_tokens": 0}', "max_new_tokens: 0보다 커야 합니다"),
        ("/generate", '{"instruction": "가", "strean": true}', "strean: 모르는 파라미터입니다"),
        ("/choose", '{"instruction": "가", "options": ["가"]}', "options: 항목이 2개 이상 있어야 합니다"),
        ("/v1/chat/completions", '{"messages": [{"role": "가"}]}', "messages.0.role: 다음 가운데 하나여야 합니다"),
        (
            "/v1/completions",
            '{"prompt": "가", "stop": ["a", "b", "c", "d", "e"]}',
            "stop: 항목이 4개를 넘을 수 없습니다",
        ),
        ("/v1/completions", "{", "올바른 JSON이 아닙니다"),
        ("/generate", '{"instruction": "가", "guided_regex": ""}', "guided_regex: 1자 이상이어야 합니다"),
        ("/tokenize", json.dumps({"prompt": "a" * (2**20 + 1)}), "prompt: 1048576자를 넘을 수 없습니다"),
    ],
)
def test_the_errors_of_fields_follow_the_language_of_the_server(client, monkeypatch, path, content, message):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    response = client.post(path, content=content.encode(), headers={"Content-Type": "application/json"})
    assert check_error(response, 400, response.json()["error"]["param"]).startswith(message)


def test_every_route_stands_in_the_document_and_its_references_exist(client):
    document = client.get("/docs.json").json()
    paths = {path.replace(":path", ""): method.lower() for method, path, _endpoint in ROUTES}
    assert {path: next(iter(item)) for path, item in document["paths"].items() if path in paths} == paths
    assert {"/livez", "/readyz", "/healthz"} <= set(document["paths"])
    names = set(document["components"]["schemas"])
    text = json.dumps(document)
    assert {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]} <= names
    assert "$defs" not in text


def test_the_index_page_lists_every_route(served):
    from seodang.service.pages.index_page import ROUTES as LISTED

    listed = {path for _method, path, _purpose in LISTED}
    assert {path.replace("{id:path}", "{id}") for _method, path, _endpoint in ROUTES} - {"/"} <= listed
