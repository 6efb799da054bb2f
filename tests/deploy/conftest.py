"""The files of deploy/, read as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.constants import ROOT

DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The Compose file."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return content


@pytest.fixture(scope="session")
def manifests() -> dict[str, dict[str, Any]]:
    """The Kubernetes manifests of the base, by kind."""
    names = yaml.safe_load((DEPLOY / "kubernetes" / "base" / "kustomization.yaml").read_text("utf-8"))["resources"]
    found = [yaml.safe_load(_read(name)) for name in names]
    return {manifest["kind"]: manifest for manifest in found}


@pytest.fixture(scope="session")
def pod(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The pod of the Deployment."""
    template: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return template


@pytest.fixture(scope="session")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    """The container of the pod."""
    (container,) = pod["containers"]
    assert isinstance(container, dict)
    return container


def _read(name: str) -> str:
    return (Path(DEPLOY) / "kubernetes" / "base" / name).read_text("utf-8")
