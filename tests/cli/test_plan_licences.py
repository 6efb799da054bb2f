"""`seodang plan` refuses what licences forbid before it looks for a model or data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from seodang.cli.main import main
from seodang.config.load import load_params, merge_overlay
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml

KOALPACA = {"name": "koalpaca", "path": "koalpaca.json", "licence": "CC-BY-NC-4.0"}
LLAMA = {"source": "hub", "hub": "meta-llama/Llama-3.1-8B", "revision": "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b"}


@pytest.fixture
def write_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write_params(**overlay):
        content = merge_overlay(read_yaml(STARTER), overlay)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")

    return write_params


def test_a_forbidden_use_is_refused_with_exit_code_2_and_the_way_out(write_params, capsys):
    write_params(ingest={"sources": [KOALPACA]}, package={"intended_use": "commercial"})
    assert main(["plan"]) == 2
    message = capsys.readouterr().err
    assert "licences forbid what the parameters declare, so the run would be refused:" in message
    assert "commercial use without the source koalpaca" in message


def test_preference_sources_count_while_a_method_is_on(write_params, capsys):
    align = {"method": "dpo", "sources": [KOALPACA]}
    write_params(align=align, package={"intended_use": "commercial"})
    assert main(["plan"]) == 2
    assert "commercial use without the source koalpaca" in capsys.readouterr().err
    write_params(align={**align, "method": "none"}, package={"intended_use": "commercial"})
    main(["plan"])
    assert "licences forbid" not in capsys.readouterr().err


def test_json_has_the_refusal_too(write_params, capsys):
    write_params(ingest={"sources": [KOALPACA]}, package={"intended_use": "commercial"})
    assert main(["plan", "--json"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert content["fits"] is False
    assert "source koalpaca" in content["error"]


def test_a_name_without_the_required_beginning_is_refused_before_a_download(write_params, capsys):
    model = {**LLAMA, "path": None, "sha256": None, "licence": "Llama 3.1 Community License"}
    write_params(model=model, package={"name": "seodang-llama-8b"})
    assert main(["plan"]) == 2
    assert "write package.name: llama-seodang-8b" in capsys.readouterr().err


def test_parameters_of_an_older_project_declare_no_use(write_params, tmp_path):
    write_params()
    params = load_params(tmp_path / "params.yaml")
    assert params.package.intended_use is None
    assert all(source.teachers == [] for source in params.ingest.sources)


def test_a_use_that_does_not_exist_is_refused_with_those_that_do(write_params, capsys):
    write_params(package={"intended_use": "internal"})
    assert main(["plan"]) == 2
    message = capsys.readouterr().err
    assert "package.intended_use" in message
    assert "commercial" in message
