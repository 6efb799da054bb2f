"""A real `bentoml serve` with adapters and two workers. Run: pytest -m slow tests/service/test_served_models.py"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.constants import KOREAN, ROOT

from seodang.io.atomic import compute_sha256
from seodang.models.adapters import ADAPTER
from seodang.models.loading import load_tokenizer
from seodang.packaging.bento import build_bento, store_model
from seodang.packaging.checksums import CHECKSUMS_NAME
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version, read_manifest
from seodang.prompting import compute_fingerprint

pytestmark = pytest.mark.slow


class Service(NamedTuple):
    url: str
    tag: str
    environment: dict[str, str]
    folder: Path

    def read(self, path: str, content: Any = None) -> str:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return str(response.read().decode())

    def generate(self, model: str) -> Any:
        return json.loads(self.read("/generate", {"instruction": KOREAN[0], "input": KOREAN[1], "model": model}))


@pytest.fixture(scope="module")
def service(
    packaged_model,
    tmp_path_factory,
    find_free_port,
    use_bentoml_home,
    run_server,
    make_tiny_model,
    make_tiny_adapter,
) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("served")
    base = make_tiny_model(root / "base")
    adapter = make_tiny_adapter(base, root / "train" / "adapter")
    fingerprint = compute_fingerprint("koalpaca", load_tokenizer(base))
    report = {"adapter_sha256": compute_sha256(adapter / ADAPTER), "prompt_fingerprint": fingerprint}
    (root / "train" / "report.json").write_text(json.dumps(report), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        use_bentoml_home(root / "home", patch)
        version = compute_content_version(packaged_model, read_manifest(packaged_model).fingerprint)
        model_tag = store_model(packaged_model, "tiny", version, {}, MANIFEST_NAME, CHECKSUMS_NAME)
        tag = build_bento(ROOT, "tiny", version, model_tag)
        port = find_free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "BENTOML_HOME": str(root / "home"),
            "BENTOML_CONFIG_OPTIONS": "services.seodang.workers=2",
            "SEODANG_BASE_MODEL": str(base),
            "SEODANG_ADAPTERS": f"own={root / 'train'}",
        }
        command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with run_server(command, url, cwd=root, environment=environment, log=root / "serve.log"):
            yield Service(url, tag, environment, root)


def test_bentoml_serves_adapters_and_base(service):
    models = json.loads(service.read("/v1/models"))["data"]
    assert [model["id"].partition(":")[0] for model in models] == ["tiny", "base", "own"]
    assert service.generate("tiny")["output"] == KOREAN[2]
    tokens = set()
    for name in ("tiny", "base", "own"):
        request = {"model": name, "prompt": "가나다", "max_tokens": 8, "logprobs": 0, "ignore_eos": True}
        tokens.add(str(json.loads(service.read("/v1/completions", request))["choices"][0]["logprobs"]["tokens"]))
    assert len(tokens) == 3


def test_the_metrics_of_bentoml_contain_those_of_all_workers(service):
    for _ in range(40):  # BentoML's workers take turns on the connections
        service.generate("own")
    metrics = service.read("/metrics")
    counted = [
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("vllm:request_success_total{") and 'model_name="own"' in line
    ]
    assert sum(counted) >= 40
    workers = {path.name.removesuffix(".db").rpartition("_")[2] for path in service.folder.rglob("counter_*.db")}
    assert len(workers) >= 2
    again = service.read("/metrics")
    assert 'vllm:num_requests_running{model_name="own"} 0.0' in again
    assert "bentoml_service_request_total" in again
    for _ in range(6):  # any worker answers for all
        assert 'seodang:model_info{model_name="own"' in service.read("/metrics")


def test_serving_stops_at_once_when_an_adapter_cannot_be_served(service, find_free_port, tmp_path):
    environment = {**service.environment, "SEODANG_ADAPTERS": f"one={tmp_path / 'gone'},two={tmp_path}"}
    command = [sys.executable, "-m", "bentoml", "serve", service.tag, "--port", str(find_free_port())]
    refused = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert refused.returncode == 1
    output = refused.stdout + refused.stderr
    assert "one: there is no folder" in output
    assert "two: it has no adapter_model.safetensors" in output
