"""Files are checked outside the pipeline: a summary, and a report if one is requested."""

from __future__ import annotations

import json

import pytest

from seodang.errors import SeodangError, SourceError
from seodang.ingest.fetch.files import LocalFile
from seodang.validation.check_files import CheckParams, CheckRequest, check

VALID = {"instruction": "수도는 어디인가요?", "input": "", "output": "서울입니다."}
UNANSWERED = {"instruction": "답이 없는 질문입니다", "category": "open_qa"}


pytestmark = pytest.mark.usefixtures("fake_validator")


@pytest.fixture
def run_check(tmp_path):
    def run(*names, errors=(), report=None):
        request = CheckRequest(
            files=[LocalFile(tmp_path / name, name, None) for name in names],
            errors=errors,
            format="auto",
            columns=None,
            table=None,
            counter=None,
            report=report,
        )
        return check(request, CheckParams.load_default())

    return run


@pytest.fixture
def write(tmp_path):
    def write_records(name, records):
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (tmp_path / name).write_text(text, "utf-8")
        return name

    return write_records


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_summary_counts_rows_rules_and_formats(run_check, write):
    result = run_check(write("mixed.jsonl", [VALID, UNANSWERED])).to_dict()
    assert (result["rows"], result["accepted"], result["quarantined"]) == (2, 1, 1)
    assert result["rules"] == {"output-missing": 1}
    assert set(result["formats"]) == {"mixed.jsonl"}
    assert [metric["id"] for metric in result["dataset"]] == ["quarantined-ratio", "source-quarantined-ratio"]


def test_the_report_separates_accepted_and_quarantined_rows(run_check, write, tmp_path):
    run_check(write("mixed.jsonl", [VALID, UNANSWERED]), report=tmp_path / "report")
    (accepted,) = read_lines(tmp_path / "report" / "accepted.jsonl")
    (rejected,) = read_lines(tmp_path / "report" / "quarantine.jsonl")
    assert (accepted["output"], accepted["row"]) == ("서울입니다.", VALID)
    assert (rejected["source_row"], rejected["row"], rejected["rules"][0]["id"]) == (1, UNANSWERED, "output-missing")
    assert json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))["quarantined"] == 1


def test_all_unusable_files_are_named_and_no_report_remains(run_check, write, tmp_path):
    with pytest.raises(SourceError) as raised:
        run_check(write("empty.jsonl", []), write("valid.jsonl", [VALID]), errors=["gone"], report=tmp_path / "report")
    assert str(raised.value).splitlines() == [
        "problems with the data files (2):",
        "  gone",
        "  empty.jsonl is empty: it contains no record",
    ]
    assert not (tmp_path / "report").exists()


def test_a_folder_of_other_files_is_not_replaced(run_check, write, tmp_path):
    (tmp_path / "report" / "data_docs").mkdir(parents=True)
    with pytest.raises(SeodangError, match="data_docs is not part of a report"):
        run_check(write("valid.jsonl", [VALID]), report=tmp_path / "report")


def test_an_unusable_file_is_named_in_korean_where_the_terminal_is_korean(run_check, write, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(SourceError, match=r"empty\.jsonl 파일이 비어 있습니다"):
        run_check(write("empty.jsonl", []))


def write_pairs(write, name, chosen, rejected):
    pairs = [
        {
            "prompt": f"{number}번 방은 어디인가요?",
            "chosen": f"{number}호: {chosen}",
            "rejected": f"{number}호: {rejected}",
        }
        for number in range(40)
    ]
    return write(name, pairs)


def test_pairs_whose_better_answers_are_the_longer_ones_are_reported(run_check, write):
    result = run_check(write_pairs(write, "long.jsonl", "복도 끝 왼쪽에 있는 방입니다.", "몰라요.")).to_dict()
    assert [(metric["id"], metric["of"]) for metric in result["dataset"]] == [("pair-length-bias", "chosen")]
    assert result["dataset"][0]["value"] == pytest.approx(0.912, abs=0.001)  # Wilson's interval of 40 of 40
    result = run_check(write_pairs(write, "short.jsonl", "2층입니다.", "복도 끝 어딘가에 있지 않겠어요?")).to_dict()
    assert [(metric["id"], metric["of"]) for metric in result["dataset"]] == [("pair-length-bias", "rejected")]


def test_few_pairs_and_balanced_ones_have_no_length_bias(run_check, write):
    pair = {"prompt": "수도는 어디인가요?", "chosen": "서울입니다. 한강이 흐릅니다.", "rejected": "몰라요."}
    few = [pair, {**pair, "prompt": "항구는 어디인가요?"}]
    assert run_check(write("few.jsonl", few)).to_dict()["dataset"] == []
    mixed = [write_pairs(write, "long.jsonl", "복도 끝에 있습니다.", "몰라요."), "short.jsonl"]
    write(
        "short.jsonl",
        [
            {"prompt": f"{n}번 역은요?", "chosen": f"{n}역입니다.", "rejected": f"{n}역 아니겠어요, 참."}
            for n in range(40)
        ],
    )
    assert run_check(*mixed).to_dict()["dataset"] == []
