"""YAML files are read as DVC reads them, and what YAML makes of a value is said in plain words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from seodang.cli.main import main
from seodang.config.load import load_params, merge_overlay
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError


@pytest.fixture
def write_params(tmp_path: Path):
    """Writes a params.yaml with changes, and lines of YAML text in a section."""

    def write_params(section: str, *lines: str) -> Path:
        content = merge_overlay(read_yaml(STARTER), {})
        for line in lines:
            content[section].pop(line.partition(":")[0], None)
        section_text = "".join(f"  {line}\n" for line in lines)
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        path = tmp_path / "params.yaml"
        path.write_text(
            text.replace(f"{section}: {{}}\n", f"{section}:\n").replace(
                f"{section}:\n", f"{section}:\n{section_text}", 1
            ),
            "utf-8",
        )
        return path

    return write_params


@pytest.mark.parametrize("text", ["3e-3", "3.0e-3", "3E-3", "0.003", "+3e-3"])
def test_a_number_with_an_exponent_is_a_number(write_params, text):
    assert load_params(write_params("train", f"learning_rate: {text}")).train.learning_rate == 0.003


@pytest.mark.parametrize("text", ["3e-3", "no", "on", "1_000", "012", "0x1F", "1:30", "~", "true", ".inf", "1e3"])
def test_a_value_is_what_dvc_reads(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"value: {text}\n")
    assert read_yaml(tmp_path / "a.yaml") == YAML(typ="safe").load((tmp_path / "a.yaml").read_text())


def _get_errors(path: Path) -> str:
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    message = str(caught.value)
    assert "pydantic" not in message
    assert "Input should" not in message
    assert "http" not in message
    return message


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("train", "learning_rate: '3e-3'", "train.learning_rate: must be a number (got '3e-3'); write a number without"),
        ("train", "learning_rate: 1e999", "train.learning_rate: must be a finite number"),
        ("train", "rank: 8.0", "train.rank: must be a whole number (got 8.0)"),
        ("train", "rank: 0", "train.rank: must be greater than 0 (got 0)"),
        ("train", "packing: yes", "train.packing: must be true or false (got 'yes'); write true"),
        ("train", "packing: off", "train.packing: must be true or false (got 'off'); write false"),
        ("train", "method: lorra", "train.method: must be one of 'lora', "),
        ("train", "target_modules: q_proj", "train.target_modules: must be a list (got 'q_proj')"),
        ("train", "warmup_ratio: 1.5", "train.warmup_ratio: must be less than 1.0 (got 1.5)"),
        ("model", "path: 2024-01-01", 'model.path: must be text (got datetime.date(2024, 1, 1)); write it in quotes: "2024-01-01"'),
        ("model", "licence: 1.5", 'model.licence: must be text (got 1.5); write it in quotes: "1.5"'),
        ("model", "licence: true", 'model.licence: must be text (got True); write it in quotes: "true"'),
        ("evaluate", "shots: []", "evaluate.shots: needs at least 1 entry (got [])"),
        ("gate", "rules: {a: 1}", "gate.rules: must be a list"),
        ("expectations", "limits: 3", "expectations.limits: must be a mapping of names to values (got 3)"),
        ("ingest", "sources: [{name: a}]", "ingest.sources.0: kind 'file' needs path"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_said_in_plain_words_with_the_way_to_write_it(write_params, section, line, message):
    assert message in _get_errors(write_params(section, line))


@pytest.mark.parametrize(
    ("labels", "key"),
    [("{0: 부정, 1: 긍정}", "0"), ("{true: 예, false: 아니요}", "true"), ("{1.5: 예}", "1.5"), ("{null: 예}", "null")],
)
def test_a_label_that_yaml_reads_as_no_text_is_said_with_the_quotes_to_write(write_params, labels, key):
    table = f"{{label_column: a, labels: {labels}, input: '{{text}}', instructions: [가나]}}"
    source = f"sources: [{{name: a, path: data, format: table, table: {table}}}]"
    message = _get_errors(write_params("ingest", source))
    assert (
        f'ingest.sources.0.table.labels: the key {key} is not text in YAML; write it in quotes, as the data have it: "{key}"'
        in message
    )


def test_a_label_yes_or_no_is_text(write_params):
    table = "{label_column: a, labels: {yes: 예, no: 아니요}, input: '{text}', instructions: [가나]}"
    path = write_params("ingest", f"sources: [{{name: a, path: data, format: table, table: {table}}}]")
    assert load_params(path).ingest.sources[0].table.labels == {"yes": "예", "no": "아니요"}


def test_a_table_file_of_check_gets_the_same_words(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("text,label\n가,0\n", "utf-8")
    table = {"label_column": "label", "labels": {0: "부정"}, "input": "{text}", "instructions": ["분류하세요."]}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(table, allow_unicode=True), "utf-8")
    assert main(["check", str(tmp_path / "a.csv"), "--table", str(tmp_path / "t.yaml")]) == 2
    message = capsys.readouterr().err
    assert 'labels: the key 0 is not text in YAML; write it in quotes, as the data have it: "0"' in message
    assert "pydantic" not in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "line 2, column 1: while constructing a mapping found duplicate key"),
        (b"a: [1\n", "line 2, column 1"),
        (b"a: 1\n<<<<<<< HEAD\nb: 1\n=======\n>>>>>>> x\n", "params.yaml, line 2: git left a merge conflict here"),
        (b"a: 2024-13-45\n", "month must be in 1..12"),
        (b"a: &x [*x]\n", ""),
        (b"a: !!python/object:os.system 1\n", "could not determine a constructor"),
        ("train: {가: 1}".encode("cp949"), "is not UTF-8 text (byte 9); save it as UTF-8"),
        ("a: 1".encode("utf-16"), "is not UTF-8 text (byte 1)"),
        (b"- a\n", "has no sections (names with values below them), only ['a'];"),
        (b"", "params.yaml is empty; restore it: git checkout "),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_refused_in_one_line(tmp_path, content, message, monkeypatch, capsys):
    (tmp_path / "params.yaml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main(["config", "show"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "yaml.dev" not in error


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "a.yaml").write_bytes("\ufefftrain: {}\n".encode())
    assert read_yaml(tmp_path / "a.yaml") == {"train": {}}


def test_the_words_are_korean_where_the_terminal_is(write_params, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert "train.rank: 0보다 커야 합니다" in _get_errors(write_params("train", "rank: 0"))


@pytest.mark.parametrize("text", ["a: " + "[" * 400 + "]" * 400, "a: &a\n  b: *a\n", "a: " + "[" * 5000 + "]" * 5000])
def test_values_that_are_nested_without_an_end_are_an_error(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match="nested too deeply, or an alias refers to itself"):
        read_yaml(tmp_path / "params.yaml")


def test_the_advice_for_a_file_in_utf_16_names_utf_16(tmp_path):
    (tmp_path / "params.yaml").write_bytes("model: {}".encode("utf-16"))
    with pytest.raises(ParamsError, match="iconv -f utf-16 -t utf-8"):
        read_yaml(tmp_path / "params.yaml")


@pytest.mark.parametrize("key", ["0", "true", "2024-01-01", "null"])
def test_a_name_that_yaml_reads_as_no_text_is_no_parameter(write_params, key):
    message = _get_errors(write_params("train", f"{key}: 1"))
    assert f"train: the key {key} is not text in YAML, so it is no parameter; remove it" in message


def test_aliases_that_stand_for_more_values_than_the_memory_holds_are_refused_at_once(write_params):
    """Nine levels of nine aliases: 387 million values, whose text would take gigabytes."""
    levels = [f"b{level}: &b{level} [{', '.join([f'*b{level - 1}'] * 9)}]" for level in range(1, 10)]
    text = "\n".join(["b0: &b0 [x, x, x]", *levels])
    path = write_params("train", "rank: 4")
    path.write_text(f"{text}\n{path.read_text('utf-8')}", "utf-8")
    assert "b9: is not a known parameter (got [[[" in _get_errors(path)


def test_params_that_are_a_pipe_are_refused_and_not_waited_for(tmp_path, monkeypatch, capsys):
    os.mkfifo(tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    assert main(["config", "show"]) == 2
    assert "params.yaml is no regular file; restore it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\na: 2\n", "line 2, column 1: while constructing a mapping found duplicate key"),
        ("train: {가: 1}".encode("cp949"), "is not UTF-8 text (byte 9); save it as UTF-8"),
        (b"- a\n", "has no sections"),
        (b"", "is empty"),
    ],
)
def test_a_file_to_migrate_that_is_no_yaml_mapping_is_refused_in_the_same_words(tmp_path, content, message, capsys):
    file = tmp_path / "old.yaml"
    file.write_bytes(content)
    assert main(["config", "migrate", str(file)]) == 2
    assert message in capsys.readouterr().err
    assert file.read_bytes() == content


def test_a_profile_in_another_encoding_does_not_keep_the_others_from_the_list(tmp_path, monkeypatch, capsys):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "own.yaml").write_bytes("# 내 프로필\n".encode("cp949"))
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "list"]) == 0
    assert "own" in capsys.readouterr().out
