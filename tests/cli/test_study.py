"""`seodang study` refuses what licences forbid before it trains, and says in its report what they allow."""

from __future__ import annotations

import pytest
import yaml

from seodang.cli import study
from seodang.cli.main import main
from seodang.config.load import merge_overlay
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml
from seodang.io.jsonl import write_json
from seodang.paths import Paths


@pytest.fixture
def start_study(tmp_path, monkeypatch):
    """Starts a study in a project with a base under MIT, and returns the exit code and what the study was given."""
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr(study, "_run_comparison", lambda *arguments: given.append(arguments) or tmp_path / "report")

    def start_study(licence, teachers, use, base="MIT", name="seodang-test"):
        paths = Paths(tmp_path)
        content = merge_overlay(read_yaml(STARTER), {"package": {"intended_use": use, "name": name}})
        paths.params.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
        (tmp_path / "study.yaml").write_text("title_en: A study\n", "utf-8")
        write_json(paths.base_report, {"name": "tiny", "licence": base})
        sources = [{"name": "faq", "licence": licence, "teachers": teachers, "rows_written": 3},
                   {"name": "empty", "licence": "CC-BY-NC-4.0", "teachers": [], "rows_written": 0}]  # fmt: skip
        write_json(paths.ingest_report, {"sources": sources})
        for split in ("train", "test"):
            paths.get_split_path(split).parent.mkdir(parents=True, exist_ok=True)
            paths.get_split_path(split).touch()
        code = main(["study", "study.yaml"])
        return code, [str(note) for note in given[0][-1].list_notes()] if given else None

    return start_study


@pytest.mark.parametrize(
    ("licence", "teachers", "reason"),
    [
        ("CC-BY-NC-4.0", [], "source faq under CC-BY-NC-4.0: commercial use is forbidden"),
        ("MIT", ["Llama 2 Community License"], "source faq, written by a model under Llama 2 Community License"),
        ("MIT", ["EXAONE AI Model License Agreement 1.2 - NC"], "written by a model under EXAONE"),
    ],
)
def test_a_forbidden_use_is_refused_before_anything_is_trained(licence, teachers, reason, start_study, capsys):
    assert start_study(licence, teachers, "commercial") == (2, None)
    message = capsys.readouterr().err
    assert "licences forbid what the parameters declare, so the study does not start:" in message
    assert reason in message
    assert "commercial use without the source faq" in message


def test_a_name_without_the_required_beginning_is_refused_too(start_study, capsys):
    assert start_study("MIT", [], None, base="Llama 3.1 Community License", name="my-model") == (2, None)
    assert "write package.name: llama-my-model" in capsys.readouterr().err


def test_the_report_gets_the_verdict_on_each_use_and_the_reasons_of_the_declared_one(start_study):
    code, notes = start_study("MIT", ["OpenAI Terms of Use"], "commercial")
    assert code == 0
    assert notes == [
        "Licences of base, data and teachers: commercial use allowed on conditions, non-commercial use allowed on "
        "conditions, research use allowed on conditions; declared (package.intended_use): commercial",
        "source faq, written by a model under OpenAI Terms of Use: commercial use is allowed on a condition: the outcome "
        "must not compete with models of OpenAI (OpenAI Terms of Use, section What you cannot do)",
    ]


def test_an_unknown_teacher_is_no_refusal_and_no_permission(start_study):
    code, notes = start_study("MIT", ["a model from somewhere"], "commercial")
    assert code == 0
    assert "commercial use not known to be allowed" in notes[0]
    assert "this licence is unknown" in notes[1]


def test_without_a_declared_use_the_uses_are_listed_and_nothing_is_refused(start_study):
    code, notes = start_study("CC-BY-NC-4.0", [], None)
    assert code == 0
    assert notes == [
        "Licences of base, data and teachers: commercial use forbidden, non-commercial use allowed, research use allowed; "
        "declared (package.intended_use): none"
    ]
