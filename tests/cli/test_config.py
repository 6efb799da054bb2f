"""`seodang config show` and `schema`."""

import json
from pathlib import Path

import pytest

from seodang.cli.main import main
from seodang.config.profiles import STARTER
from seodang.config.schema import build_schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    text = STARTER.read_text("utf-8").replace("  rank: 16\n", "  rank: 8  # changed\n")
    (tmp_path / "params.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(capsys, *words):
    assert main(["config", "show", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_parameter_is_shown_with_its_resolved_value(project, capsys):
    values = show(capsys)
    assert values["train.rank"] == 8
    assert values["train.alpha"] == 32
    assert values["ingest.sources.1.task"] == "practice"
    assert values["ingest.sources.1.weight"] == 1.0
    assert len(values) > 200


def test_the_origin_is_the_line_that_sets_the_value(project, capsys):
    values = show(capsys, "train", "--origin")
    lines = (project / "params.yaml").read_text("utf-8").splitlines()
    value, origin = values["train.rank"]
    file, line = origin.split(":")
    assert (value, file) == (8, "params.yaml")
    assert lines[int(line) - 1] == "  rank: 8  # changed"
    file, line = values["train.alpha"][1].split(":")
    defaults = (ROOT / "src/seodang/config/defaults.yaml").read_text("utf-8").splitlines()
    assert file == "defaults.yaml"
    assert defaults[int(line) - 1].startswith("  alpha: 32")


def test_the_table_fits_100_columns_without_colours(project, capsys):
    assert main(["config", "show", "train", "--origin"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "\x1b" not in out


def test_the_schema_describes_each_parameter_in_words_and_requires_no_value():
    schema = build_schema()
    train = schema["$defs"]["TrainParams"]
    assert "required" not in train
    assert train["properties"]["rank"]["default"] == 16
    assert train["properties"]["tokens_per_micro_batch"]["description"]
    assert train["additionalProperties"] is False
