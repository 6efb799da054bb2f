"""The GGUF export; quick tests have a converter and a reader of their own. Run: pytest tests/export/test_gguf.py"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.constants import ENGLISH, KOREAN, ROOT

from seodang.cli.main import main
from seodang.config.export import GgufExportParams
from seodang.errors import ExportRejected, ModelError
from seodang.export.gguf_export import GgufComparison, export_gguf
from seodang.export.gguf_tools import GgufTools, find_tools, name_pre_tokenizer
from seodang.packaging.reader_settings import write_reader_settings
from seodang.paths import Paths
from seodang.records import make_record

CONVERTER = """
import sys
from conversion.base import TextModel
from pathlib import Path
type_, file = sys.argv[2], sys.argv[4]
name = TextModel().get_vocab_base_pre(None)
Path(file).write_text(f"{type_} {name}")
"""
BASE = """
class TextModel:
    def get_vocab_base_pre(self, tokenizer):
        raise NotImplementedError
"""
READER = """
import json, pathlib
class Llama:
    def __init__(self, file, **options):
        assert pathlib.Path(file).is_file()
    def reset(self):
        pass
    def create_chat_completion(self, messages, **options):
        text, tokens = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())[messages[-1]["content"]]
        return {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": tokens}}
"""
PARAMS = GgufExportParams(type="f16", prompts=4, tokens=8, min_equal_share=0.75)
RECORDS = [
    make_record(instruction=instruction, input=input, output=output, source="s", task="t", cluster="c")
    for instruction, input, output in (KOREAN, ENGLISH)
]


@pytest.fixture
def tools(tmp_path: Path) -> GgufTools:
    """Tools that know Qwen3 and no tokenizer; the reader answers what answers.json says."""
    folder = tmp_path / "tools"
    (folder / "conversion").mkdir(parents=True)
    (folder / "reader").mkdir()
    (folder / "conversion" / "__init__.py").write_text('TEXT_MODEL_MAP: dict[str, str] = {"Qwen3ForCausalLM": "qwen"}')
    (folder / "conversion" / "base.py").write_text(BASE)
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    (folder / "reader" / "llama_cpp.py").write_text(READER)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH="{folder}/reader" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return GgufTools(python, folder)


@pytest.fixture(scope="module")
def served(packaged_model: Path) -> dict[str, tuple[str, int]]:
    """The message of each record, with the service's answer and the tokens of the prompt."""
    from seodang.models.loading import load_tokenizer
    from seodang.models.tokenization import encode_prompt
    from seodang.packaging.model_folder import read_manifest
    from seodang.packaging.reader_parity import answer_as_served, build_conversation
    from seodang.prompting import render_record

    tokenizer, manifest = load_tokenizer(packaged_model), read_manifest(packaged_model)
    prompts = [encode_prompt(tokenizer, render_record(record, "koalpaca", tokenizer)) for record in RECORDS]
    answers = answer_as_served(packaged_model, prompts, manifest.end_id, PARAMS.tokens)
    messages = [build_conversation(record, "koalpaca", splits_input=False)[-1]["content"] for record in RECORDS]
    return {message: (answer, len(ids)) for message, answer, ids in zip(messages, answers, prompts, strict=True)}


def set_answers(tools: GgufTools, answers: dict[str, tuple[str, int]]) -> None:
    (tools.converter / "reader" / "answers.json").write_text(json.dumps(answers))


def test_the_file_appears_when_the_answers_are_equal(tools, served, packaged_model, tmp_path):
    set_answers(tools, served)
    file = tmp_path / "export" / "model.gguf"
    comparison = export_gguf(tools, packaged_model, file, PARAMS, RECORDS)
    assert (comparison.prompts, comparison.equal, comparison.first_difference) == (2, 2, None)
    assert file.read_text() == f"f16 {name_pre_tokenizer(packaged_model)}"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("change", [("다른 답", 0), ("", 1)], ids=["text", "prompt"])
def test_too_few_equal_answers_export_nothing_and_keep_the_earlier_file(
    tools, served, packaged_model, tmp_path, change
):
    first, (text, tokens) = next(iter(served.items()))
    set_answers(tools, {**served, first: (change[0] or text, tokens + change[1])})
    file = tmp_path / "export" / "model.gguf"
    file.parent.mkdir()
    file.write_text("earlier")
    with pytest.raises(ExportRejected, match="only 1 of 2 greedy answers") as caught:
        export_gguf(tools, packaged_model, file, PARAMS, RECORDS)
    assert caught.value.exit_code == 3
    assert file.read_text() == "earlier"
    assert list(file.parent.iterdir()) == [file]


def test_a_share_below_one_allows_differences_and_names_the_first(tools, served, packaged_model, tmp_path):
    first, (_text, tokens) = next(iter(served.items()))
    set_answers(tools, {**served, first: ("다른 답", tokens)})
    params = PARAMS.model_copy(update={"min_equal_share": 0.5})
    comparison = export_gguf(tools, packaged_model, tmp_path / "model.gguf", params, RECORDS)
    assert comparison.share == 0.5
    assert "다른 답" in (comparison.first_difference or "")


def test_an_unknown_architecture_is_refused_before_the_converter_runs(tools, packaged_model, tmp_path):
    (tools.converter / "conversion" / "__init__.py").write_text("TEXT_MODEL_MAP: dict[str, str] = {}")
    (tools.converter / "convert_hf_to_gguf.py").unlink()
    with pytest.raises(ModelError, match="cannot convert the architecture Qwen3ForCausalLM"):
        export_gguf(tools, packaged_model, tmp_path / "export" / "model.gguf", PARAMS, RECORDS)
    assert not (tmp_path / "export").exists()


def test_an_unknown_split_of_the_tokenizer_is_refused(tools, packaged_model, tmp_path):
    folder = shutil.copytree(packaged_model, tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["pre_tokenizer"] = {"type": "Whitespace"}
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError, match="does not know the pre-tokenizer"):
        export_gguf(tools, folder, tmp_path / "export" / "model.gguf", PARAMS, RECORDS)
    assert list((tmp_path / "export").iterdir()) == []


def test_a_failure_of_the_converter_or_the_reader_is_one_sentence(tools, packaged_model, tmp_path):
    file = tmp_path / "model.gguf"
    with pytest.raises(ModelError, match=r"llama.cpp cannot answer with the exported file: .*answers.json"):
        export_gguf(tools, packaged_model, file, PARAMS, RECORDS)
    (tools.converter / "convert_hf_to_gguf.py").write_text("raise ValueError('no such tensor')")
    with pytest.raises(ModelError, match="converter failed: ValueError: no such tensor; nothing is exported"):
        export_gguf(tools, packaged_model, file, PARAMS, RECORDS)
    assert not file.exists()


def test_llama_cpp_splits_texts_as_the_bundled_tokenizer():
    assert name_pre_tokenizer(ROOT / "models" / "primer-base") == "smollm"


def test_without_the_tools_the_command_says_how_to_install_them(tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "gguf"]) == 2
    assert "make gguf" in capsys.readouterr().err


@pytest.fixture
def export(packaged_model, tmp_path) -> Callable[[str], GgufComparison]:
    """Exports tmp_path/model to tmp_path/model.gguf with the installed tools."""
    try:
        tools = find_tools(Paths(ROOT).gguf_tools)
    except ModelError as error:
        pytest.skip(str(error))
    folder = shutil.copytree(packaged_model, tmp_path / "model")
    write_reader_settings(packaged_model, folder, "koalpaca", 24, splits_input=True)

    def export(type: str) -> GgufComparison:
        params = PARAMS.model_copy(update={"type": type, "min_equal_share": 1.0})
        return export_gguf(tools, folder, tmp_path / "model.gguf", params, RECORDS)

    return export


@pytest.mark.slow
@pytest.mark.parametrize("type", ["f32", "f16", "bf16", "q8_0"])
def test_llama_cpp_answers_as_the_service(export, type):
    assert export(type).equal == len(RECORDS)


@pytest.mark.slow
def test_transformers_reads_the_weights_of_the_file(export, tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM

    export("f32")
    config = AutoConfig.from_pretrained(tmp_path / "model")
    read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", config=config, dtype="float32")
    expected = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="float32").state_dict()
    assert expected.keys() == read.state_dict().keys()
    assert all((value == expected[name]).all() for name, value in read.state_dict().items())
