"""What a message says about a file that cannot be read."""

import pytest

from seodang.errors import ArtifactError
from seodang.io.jsonl import read_json, read_rows


def test_a_damaged_artifact_names_the_stage_that_writes_it(tmp_path):
    file = tmp_path / "artifacts" / "evaluate" / "scores.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(ArtifactError, match=r"line 1: .*; run: dvc repro --force evaluate$"):
        list(read_rows(file))
    with pytest.raises(ArtifactError, match=r"run: dvc repro evaluate$"):
        read_json(file)


def test_another_file_names_no_stage_that_does_not_exist(tmp_path, monkeypatch):
    file = tmp_path / ".seodang" / "release" / "releases.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(ArtifactError, match=r"restore the file, or delete it$"):
        list(read_rows(file))
    with pytest.raises(ArtifactError) as caught:
        read_json(file)
    assert "dvc" not in str(caught.value)
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ArtifactError, match="복원하거나"):
        list(read_rows(file))
