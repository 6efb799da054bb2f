"""`seodang constrain`."""

import json
from pathlib import Path

import pytest

from seodang.cli.main import main

ROW = {"instruction": "우산의 쓰임을 설명하세요.", "input": "", "output": "우산은 비를 막습니다. 햇볕도 가립니다."}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    text = Path("params.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_it_writes_records_that_the_pipeline_reads(project, capsys):
    rows = [{**ROW, "instruction": f"{number}번 우산의 쓰임을 설명하세요."} for number in range(20)]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["constrain", "a.jsonl", "--output", "b.jsonl", "--records", "5"]) == 0
    assert "b.jsonl: 5 records with verified constraints" in capsys.readouterr().out
    written = [json.loads(line) for line in Path("b.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(written) == 5
    assert all(row["instruction_id_list"] for row in written)
    assert main(["check", "b.jsonl"]) == 0
    assert main(["constrain", "a.jsonl", "--output", "c.jsonl", "--records", "5"]) == 0
    assert Path("b.jsonl").read_bytes() == Path("c.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.jsonl"], "missing.jsonl: no such file"),
        (["params.yaml", "--format", "nope"], "unknown format"),
        (["short.jsonl"], "short.jsonl: no record suits"),
    ],
)
def test_what_cannot_be_used_ends_with_2(words, message, capsys):
    Path("short.jsonl").write_text(json.dumps({**ROW, "output": "비"}) + "\n", encoding="utf-8")
    assert main(["constrain", *words, "--output", "b.jsonl"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("b.jsonl").exists()
