from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import make_packaged_model


@pytest.fixture(scope="session")
def packaged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged tiny model; tests that change it copy it first."""
    return make_packaged_model(tmp_path_factory.mktemp("packaged") / "model")
