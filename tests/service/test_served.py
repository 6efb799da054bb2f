"""A real `bentoml serve` of a built bento, from its store alone. Run: pytest -m slow tests/service/test_served.py"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.constants import ENGLISH, KOREAN, ROOT

from seodang.packaging.bento import build_bento, store_model
from seodang.packaging.checksums import CHECKSUMS_NAME, write_checksums
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version, read_manifest

pytestmark = pytest.mark.slow

START_SECONDS = 300


class Reply(NamedTuple):
    status: int
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service(NamedTuple):
    url: str
    tag: str
    home: Path

    def post(self, path: str, content: Any) -> Reply:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask(urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"}))

    def get(self, path: str) -> Reply:
        return self.ask(urllib.request.Request(self.url + path))

    def ask(self, request: urllib.request.Request) -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Reply(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read().decode())


def build_serve_command(tag: str, port: int) -> list[str]:
    return [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]


def build_serve_environment(home: Path) -> dict[str, str]:
    """Return an environment in which the server finds the code in the bento alone: without PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**environment, "BENTOML_HOME": str(home)}


@pytest.fixture(scope="module")
def service(
    packaged_model: Path, tmp_path_factory: pytest.TempPathFactory, find_free_port, use_bentoml_home, run_server
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("bentoml") / "home"
    with pytest.MonkeyPatch.context() as patch:
        use_bentoml_home(home, patch)
        version = compute_content_version(packaged_model, read_manifest(packaged_model).fingerprint)
        model_tag = store_model(packaged_model, "tiny", version, {}, MANIFEST_NAME, CHECKSUMS_NAME)
        tag = build_bento(ROOT, "tiny", version, model_tag)
        port = find_free_port()
        service = Service(f"http://127.0.0.1:{port}", tag, home)
        with run_server(
            build_serve_command(tag, port),
            service.url,
            cwd=home.parent,
            environment=build_serve_environment(home),
            log=home.parent / "serve.log",
        ):
            yield service


@pytest.mark.parametrize(("instruction", "input", "output"), [KOREAN, ENGLISH])
def test_it_answers_in_korean_and_english(service, instruction, input, output):
    reply = service.post("/generate", {"instruction": instruction, "input": input})
    assert reply.status == 200
    own = {"id": reply.json["id"], "usage": reply.json["usage"]}
    assert reply.json == {"output": output, "finish_reason": "stop", "model": service.tag, **own}
    assert reply.json["id"].startswith("gen-")
    assert set(reply.json["usage"]) == {"prompt_tokens", "completion_tokens"}


@pytest.mark.smoke
def test_hangul_is_readable_in_the_bytes_of_the_answer(service):
    assert f'"output":"{KOREAN[2]}"' in service.post("/generate", {"instruction": KOREAN[0], "input": KOREAN[1]}).body
    assert "서당 primer" in service.get("/lineage").body


def test_every_field_of_a_request_has_an_effect(service):
    request = {"instruction": "무엇이든 말해 보세요", "input": ""}
    reply = service.post("/generate", {**request, "max_new_tokens": 1})
    assert (reply.status, reply.json["finish_reason"], reply.json["usage"]["completion_tokens"]) == (200, "length", 1)
    sampled = [service.post("/generate", {**request, "temperature": 1.5}).json["output"] for _ in range(6)]
    assert len(set(sampled)) > 1


@pytest.mark.parametrize(
    ("request_", "param", "message"),
    [
        ({"instruction": "  "}, "instruction", "must not be blank"),
        ({"input": "가"}, "instruction", "Field required"),
        ({"instruction": "가", "max_new_tokens": -1}, "max_new_tokens", "Input should be greater than 0"),
        ({"instruction": "가", "max_new_tokens": "9"}, "max_new_tokens", "Input should be a valid integer"),
        ({"instruction": "가", "max_new_tokens": 25}, "max_new_tokens", "must be from 1 to 24"),
        ({"instruction": "가", "temperature": 2.1}, "temperature", "less than or equal to 2"),
        ({"instruction": "가", "temperature": -0.1}, "temperature", "greater than or equal to 0"),
        ({"instruction": "가", "max_tokens": 9}, "max_tokens", "Extra inputs are not permitted"),
        ({"instruction": "가 " * 200}, "instruction", "the model's context has only 128"),
        ({"instruction": "\ud800"}, None, "Invalid JSON"),
        (b'{"instruction": "', None, "Invalid JSON"),
        ([], None, "should be an object"),
    ],
)
def test_an_invalid_request_gets_the_field_and_the_reason(service, request_, param, message):
    reply = service.post("/generate", request_)
    assert reply.status == 400
    error = reply.json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert message in error["message"]


def test_the_lineage_has_the_bento_the_model_and_the_manifest(service, packaged_model):
    lineage = service.get("/lineage")
    manifest = read_manifest(packaged_model)
    assert lineage.status == 200
    assert lineage.json == {
        "bento": service.tag,
        "model": service.tag,
        "prompt": {"format": "koalpaca"},
        "fingerprint": manifest.fingerprint,
        **manifest.lineage,
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/docs.json", 200),
        ("/", 200),
        ("/ui", 200),
        ("/nowhere", 404),
    ],
)
def test_the_routes_of_bentoml_stay(service, path, status):
    assert service.get(path).status == status


def test_the_page_at_the_root_shows_the_model_and_loads_nothing(service):
    with urllib.request.urlopen(service.url + "/", timeout=60) as response:
        page, policy = response.read().decode(), response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "/generate" in page
    assert "googletagmanager" not in page
    assert "<script" not in page
    assert json.loads(service.get("/lineage").body)["model"] in page


def test_the_bento_lists_its_model_by_exact_tag_and_carries_its_own_code(service):
    import yaml

    bento = service.home / "bentos" / service.tag.replace(":", "/")
    listed = yaml.safe_load((bento / "bento.yaml").read_text("utf-8"))["models"]
    assert [(model["tag"], model["alias"]) for model in listed] == [(service.tag, "tuned")]
    assert (bento / "src" / "seodang" / "service" / "app.py").exists()


def test_serving_stops_at_once_when_the_prompts_differ(service, find_free_port):
    manifest = service.home / "models" / service.tag.replace(":", "/") / MANIFEST_NAME
    original = manifest.read_text("utf-8")
    log = service.home.parent / "refused.log"
    manifest.write_text(original.replace(json.loads(original)["fingerprint"], "0" * 64), "utf-8")
    write_checksums(manifest.parent)  # as of a model that was packaged with other prompts
    command, environment = build_serve_command(service.tag, find_free_port()), build_serve_environment(service.home)
    try:
        with log.open("wb") as output:
            refused = subprocess.run(
                command,
                cwd=service.home.parent,
                env=environment,
                stdout=output,
                stderr=output,
                timeout=START_SECONDS,
                check=False,
            )
        assert refused.returncode == 1
    finally:
        manifest.write_text(original, "utf-8")
        write_checksums(manifest.parent)
    assert "0" * 64 in log.read_text("utf-8")
    assert json.loads(original)["fingerprint"] in log.read_text("utf-8")


def test_the_page_of_the_bento_answers_as_the_route_does(service, browser):
    with browser.open_page() as page:
        page.show(1280, 800)
        page.open(f"{service.url}/ui")
        page.wait("document.querySelector('#facts dd')")
        for selector, text in (("#instruction", KOREAN[0]), ("#input", KOREAN[1])):
            page.focus(selector)
            page.type(text)
        page.click("#send")
        page.wait("document.querySelector('.figures')")
        assert page.read(".answer .text") == KOREAN[2]
        assert page.read("#tag") == service.tag
        assert page.problems == []
