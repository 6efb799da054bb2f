"""Which failures of a stage Prefect tries again. Run: pytest tests/flows/test_stages.py"""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import stages


@pytest.mark.parametrize(("code", "is_refused"), [(2, True), (73, True), (1, False), (70, False), (-9, False)])
def test_neither_wrong_input_nor_a_full_disk_is_tried_again(monkeypatch, tmp_path: Path, code, is_refused):
    line = f"ERROR: failed to reproduce 'ingest': failed to run: seodang stage ingest, exited with {code}"
    monkeypatch.setattr(stages, "run_logged", lambda *_args, **_settings: (255, [line]))
    with pytest.raises(stages.StageFailed) as caught:
        stages.run_stage("ingest", tmp_path)
    assert isinstance(caught.value, stages.StageRefused) == is_refused
