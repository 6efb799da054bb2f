"""`seodang check FILE...`: exit codes, summary, report, and every way to say how a file is to be read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.constants import ROOT

from seodang.cli.main import main

GOOD = {"instruction": "수도는 어디인가요?", "input": "", "output": "서울입니다."}
ENGLISH = {"instruction": "Name the capital of Korea.", "input": "", "output": "Seoul is the capital of Korea."}
UNANSWERED = {"instruction": "답이 없는 질문입니다", "category": "open_qa"}

pytestmark = pytest.mark.usefixtures("fake_validator")  # but the tests marked with `real_validator`


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run in a folder without a params.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, records):
    Path(name).write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return name


def check(capsys, *words):
    code = main(["check", *map(str, words)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def summary(capsys, *words):
    code, out, _ = check(capsys, *words, "--json")
    return code, json.loads(out)


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_clean_file_ends_with_0_and_says_so_in_one_object(capsys):
    code, told = summary(capsys, write("good.jsonl", [GOOD, ENGLISH]))
    assert code == 0
    assert {name: told[name] for name in ("rows", "accepted", "quarantined", "repaired", "rules")} == {
        "rows": 2,
        "accepted": 2,
        "quarantined": 0,
        "repaired": 0,
        "rules": {},
    }
    assert told["formats"] == {"good.jsonl": ["alpaca"]}


@pytest.mark.real_validator
def test_rejected_rows_end_with_1_and_stand_in_the_report_as_they_were(capsys, tmp_path):
    quoted = {**ENGLISH, "output": '"Seoul is the capital of Korea."'}
    code, told = summary(capsys, write("mixed.jsonl", [GOOD, UNANSWERED, quoted]), "--report", "report")
    assert code == 1
    assert (told["rows"], told["accepted"], told["quarantined"], told["repaired"]) == (3, 2, 1, 1)
    assert told["rules"] == {"output-missing": 1, "output-quoted": 1}
    (rejected,) = lines(tmp_path / "report" / "quarantine.jsonl")
    assert (rejected["file"], rejected["source_row"], rejected["row"]) == ("mixed.jsonl", 1, UNANSWERED)
    (rule,) = rejected["rules"]
    assert (rule["id"], rule["severity"]) == ("output-missing", "reject")
    assert all(rule[name] for name in ("reason_ko", "reason_en", "fix_ko", "fix_en"))
    first, mended = lines(tmp_path / "report" / "accepted.jsonl")
    assert (first["row"], first["rules"], first["repairs"]) == (GOOD, [], [])
    assert (mended["output"], mended["row"]["output"], mended["repairs"][0]["id"]) == (
        "Seoul is the capital of Korea.",
        quoted["output"],
        "output-quoted",
    )
    assert (tmp_path / "report" / "data_docs" / "index.html").is_file()
    assert json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))["rows"] == 3


def test_what_was_accepted_can_be_checked_and_ingested_again(capsys):
    check(
        capsys,
        write("mixed.jsonl", [GOOD, UNANSWERED, {**ENGLISH, "output": "Visit\u200b Seoul."}]),
        "--report",
        "report",
    )
    code, told = summary(capsys, "report/accepted.jsonl")
    assert (code, told["rows"], told["rules"]) == (0, 2, {})


def test_several_files_are_summed_up_and_each_row_keeps_its_own(capsys, tmp_path):
    files = [write("a.jsonl", [GOOD, GOOD]), write("b.jsonl", [ENGLISH, GOOD])]
    code, told = summary(capsys, *files, "--report", "report")
    assert (code, told["rows"], told["rules"]) == (1, 4, {"duplicate": 2})
    assert [
        (line["file"], line["source_row"], line["rules"][0]["found"])
        for line in lines(tmp_path / "report" / "quarantine.jsonl")
    ] == [
        ("a.jsonl", 1, "a.jsonl:0"),
        ("b.jsonl", 1, "a.jsonl:0"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", "", "empty.jsonl is empty"),
        ("cut.json", '[{"instruction": "잘린', "cut.json, line 1, column"),
        ("other.jsonl", '{"a": 1, "b": 2}\n', "a, b"),
        ("page.json", "<!DOCTYPE html><html></html>", "HTML"),
    ],
)
def test_a_file_that_cannot_be_used_ends_with_2_and_one_message(capsys, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, "utf-8")
    code, out, err = check(capsys, name, "--report", "report", "--json")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "report").exists()


def test_all_unusable_files_are_told_at_once(capsys, tmp_path):
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    code, _, err = check(capsys, write("good.jsonl", [GOOD]), "empty.jsonl", write("other.jsonl", [{"a": 1}]))
    assert code == 2
    assert "empty.jsonl is empty" in err
    assert "other.jsonl" in err


def test_a_file_that_does_not_exist_ends_with_2(capsys):
    code, _, err = check(capsys, "없는파일.json", "gone.csv")
    assert code == 2
    assert "없는파일.json" in err
    assert "gone.csv" in err


def test_fields_of_an_unknown_shape_are_named_on_the_command_line(capsys, tmp_path):
    write("nested.jsonl", [{"ko": GOOD, "decision": "kept"}])
    code, told = summary(
        capsys,
        "nested.jsonl",
        *(word for field in ("instruction", "input", "output") for word in ("--column", f"{field}=ko.{field}")),
        "--report",
        "r",
    )
    assert (code, told["rows"]) == (0, 1)
    assert lines(tmp_path / "r" / "accepted.jsonl")[0]["instruction"] == GOOD["instruction"]


def test_a_labelled_table_is_turned_into_instructions_by_a_template_of_ones_own(capsys, tmp_path):
    (tmp_path / "mail.csv").write_text("subject,spam\n당첨을 축하합니다,1\n회의 일정,0\n점심 드실래요,2   \n", "utf-8")
    template = {
        "label_column": "spam",
        "labels": {"1": "스팸", "0": "정상"},
        "input": "{subject}",
        "instructions": ["스팸인가요, 정상인가요?"],
    }
    (tmp_path / "mail.yaml").write_text(yaml.safe_dump(template, allow_unicode=True), "utf-8")
    code, told = summary(capsys, "mail.csv", "--table", "mail.yaml", "--report", "r")
    assert (code, told["accepted"], told["rules"]) == (1, 2, {"label-unknown": 1})
    assert [(line["input"], line["output"]) for line in lines(tmp_path / "r" / "accepted.jsonl")] == [
        ("당첨을 축하합니다", "스팸"),
        ("회의 일정", "정상"),
    ]


def test_tokens_are_counted_with_a_tokenizer_and_the_bound_of_the_params(capsys, tmp_path, make_tiny_model):
    make_tiny_model(tmp_path / "model")
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["train"]["max_length"] = 60
    params["expectations"]["actions"] = {}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), "utf-8")
    long = {
        **GOOD,
        "instruction": "문장을 몇 개 말해 주세요.",
        "output": "배우들의 연기가 정말 좋았다. 오늘 점심은 김치찌개를 먹었어요. "
        "질문에 알맞은 답변을 쓰세요. 다음 문장의 감정을 분석해 주세요.",
    }
    file = write("long.jsonl", [GOOD, long])
    assert check(capsys, file, "--params", "mine.yaml")[0] == 0
    code, told = summary(capsys, file, "--params", "mine.yaml", "--tokenizer", "model")
    assert (code, told["rules"]) == (1, {"too-many-tokens": 1})


def test_the_terminal_shows_counts_and_reasons(capsys):
    code, out, _ = check(capsys, write("mixed.jsonl", [GOOD, UNANSWERED]))
    assert code == 1
    assert "rows 2 = accepted 1" in out
    assert re.search(r"1  output-missing +output is missing", out)


def test_the_korean_of_answers_is_shown_with_examples_and_stands_in_the_report(capsys, tmp_path):
    hostile = "어제 사과을 먹었습니다. 그리고 학교에 아주 \x1b]0;title\x07 일찍 \x1b[31m갔다."
    rows = [GOOD, {**GOOD, "instruction": "무엇을 했나요?", "output": hostile}, ENGLISH]
    _, out, _ = check(capsys, write("korean.jsonl", rows), "--report", "report")
    assert "Korean of the answers" in out
    assert "사과을 → 를 (korean.jsonl, 1)" in out
    assert "\x1b" not in out
    [source] = json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))["korean"]
    assert (source["source"], source["measured"], source["counts"]["mixed_levels"]) == ("korean.jsonl", 2, 1)


def test_without_korean_answers_or_the_analyzer_nothing_is_said_about_korean(capsys, monkeypatch):
    from seodang.reports.data_card import korean_answers

    assert "Korean of the answers" not in check(capsys, write("english.jsonl", [ENGLISH]))[1]
    monkeypatch.setattr(korean_answers, "has_analyzer", lambda: False)
    assert "Korean of the answers" not in check(capsys, write("good.jsonl", [GOOD]))[1]


def test_the_terminal_speaks_korean_where_it_is_set_to(capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    _, out, _ = check(capsys, write("mixed.jsonl", [GOOD, UNANSWERED]))
    assert "행 2 = 통과 1" in out
    assert "accepted" not in out


def test_a_params_yaml_with_errors_is_refused_before_anything_is_read(capsys, tmp_path):
    (tmp_path / "params.yaml").write_text("ingest: 3\n", "utf-8")
    code, _, err = check(capsys, write("good.jsonl", [GOOD]))
    assert code == 2
    assert "params.yaml lacks sections" in err


def test_a_file_with_the_keys_that_mark_faults_in_rows_is_judged_like_any_other(capsys):
    odd = [
        {"seodang_fault": "row-ragged"},
        {"seodang_fault": "text-missing", "found": 1},
        {"seodang_fault": ["x"], "found": None},
    ]
    code, found = summary(
        capsys,
        write(
            "odd.jsonl",
            [GOOD, *({**GOOD, "instruction": value} for value in odd), {"seodang_unreadable": [1], "reason": {"a": 1}}],
        ),
    )
    assert (code, found["rows"], found["accepted"], found["quarantined"]) == (1, 5, 1, 4)


@pytest.mark.parametrize("place", ["a_file", "a_file/report"])
def test_a_report_that_cannot_be_written_ends_with_2_and_says_where(capsys, tmp_path, place):
    (tmp_path / "a_file").write_text("", "utf-8")
    code, out, err = check(capsys, write("good.jsonl", [GOOD]), "--report", place)
    assert (code, out) == (2, "")
    assert f"{place} cannot be written to" in err


def test_a_file_whose_name_is_not_utf_8_is_refused_with_the_command_that_converts_it(capsys, tmp_path):
    named = os.fsdecode("자료.jsonl".encode("cp949"))
    (tmp_path / write("good.jsonl", [GOOD])).rename(tmp_path / named)
    assert main(["check", named, "--report", "report"]) == 2
    assert "convmv" in capsys.readouterr().err


def test_reports_are_json_in_utf8_whatever_the_rows_hold(capsys, tmp_path):
    (tmp_path / "odd.jsonl").write_text(
        '{"instruction": "반쪽 이모지 \\ud83d", "output": "답입니다."}\n{"instruction": "수를 쓰세요", "output": 1e999}\n'
        + json.dumps(GOOD, ensure_ascii=False)
        + "\n",
        "utf-8",
    )
    code, told = summary(capsys, "odd.jsonl", "--report", "r")
    assert (code, told["quarantined"]) == (1, 2)
    first, second = (
        json.loads(line, parse_constant=pytest.fail)
        for line in (tmp_path / "r" / "quarantine.jsonl").read_text("utf-8").splitlines()
    )
    assert first["row"]["instruction"] == "반쪽 이모지 \ud83d"
    assert second["row"]["output"] == "Infinity"


def test_the_counts_of_rules_are_those_of_the_lines_in_the_report(capsys, tmp_path):
    both = {"instruction": "Calculate 7 times 6.", "input": "", "output": ""}
    several = [
        {
            "instruction": "봄에 갈 만한 곳은?",
            "input": "",
            "output": f"{place}에 가 보세요. 꽃이 많이 피어 걷기 좋습니다.",
        }
        for place in ("경주", "진해")
    ]
    quoted = {**ENGLISH, "output": '"Seoul is the capital of Korea."'}
    _, told = summary(
        capsys,
        write(
            "rows.jsonl", [both, *several, {**several[0], "instruction": several[0]["instruction"] + "{{x}}"}, quoted]
        ),
        "--report",
        "r",
    )
    counted: dict[str, int] = {}
    for line in [*lines(tmp_path / "r" / "accepted.jsonl"), *lines(tmp_path / "r" / "quarantine.jsonl")]:
        for id in {*(rule["id"] for rule in line["rules"]), *(change["id"] for change in line.get("repairs", []))}:
            counted[id] = counted.get(id, 0) + 1
    assert told["rules"] == counted


def test_a_report_within_the_folder_that_is_checked_never_comes_back_as_data(capsys, tmp_path):
    (tmp_path / "d").mkdir()
    write("d/mixed.jsonl", [GOOD, UNANSWERED])
    for _ in range(2):
        code, told = summary(capsys, "d", "--report", "d/rep")
        assert (code, told["rows"]) == (1, 2)
    assert summary(capsys, "d")[1]["rows"] == 2


def test_files_of_one_name_in_two_folders_are_two_sources(capsys, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    write("x/a.jsonl", [GOOD])
    write("y/a.jsonl", [ENGLISH, UNANSWERED])
    _, told = summary(capsys, "x/a.jsonl", "y/a.jsonl")
    assert {name: counts["quarantined"] for name, counts in told["by_source"].items()} == {
        "x/a.jsonl": 0,
        "y/a.jsonl": 1,
    }


def test_a_missing_file_does_not_hide_what_is_wrong_with_the_others(capsys, tmp_path):
    (tmp_path / "cut.json").write_text('[{"a"', "utf-8")
    code, _, err = check(capsys, "gone.json", "cut.json", "")
    assert code == 2
    assert all(part in err for part in ("gone.json", "cut.json, line 1", "a file name is empty"))


def test_a_folder_that_is_no_reports_is_not_replaced(capsys, tmp_path):
    (tmp_path / "r" / "data_docs").mkdir(parents=True)
    (tmp_path / "r" / "data_docs" / "mine.txt").write_text("mine", "utf-8")
    code, _, err = check(capsys, write("good.jsonl", [GOOD]), "--report", "r")
    assert (code, (tmp_path / "r" / "data_docs" / "mine.txt").read_text("utf-8")) == (2, "mine")
    assert "name another folder" in err


def test_a_check_that_is_cancelled_leaves_nothing_behind(tmp_path):
    write("many.jsonl", [{**GOOD, "instruction": f"{number}번 수도는 어디인가요?"} for number in range(30_000)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(tmp_path / "scratch")}
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "seodang", "check", "many.jsonl", "--report", "r"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    while not list((tmp_path / "scratch").rglob("rows.jsonl")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait(60) == 143
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == []
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("page", "language"), [("checking-data.md", "en"), ("checking-data.ko.md", "ko")])
def test_the_documentation_shows_what_a_check_prints(capsys, monkeypatch, tmp_path, page, language):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SEODANG_LANG", language)
    code, out, _ = check(capsys, "docs/reviews.jsonl", "--report", tmp_path / "report")
    printed = f"; echo $?\n{out.replace(str(tmp_path / 'report'), 'report')}{code}\n```"
    assert printed in (ROOT / "docs" / page).read_text("utf-8")


def test_ignored_keys_are_listed_with_share_and_sample_and_texts_are_warned_about(capsys):
    note = "이 답은 두 번째 책의 삼십 쪽에서 옮겼습니다."
    _, out, _ = check(capsys, write("a.jsonl", [{**GOOD, "note": note, "id": 7}, {**ENGLISH, "id": 8}]))
    assert "ignored keys, with the share of the rows that have a value, and a sample:" in out
    assert "100% id: 7" in out
    assert f"50% note: {note}" in out
    assert re.search(r"the key note holds texts that were left out \(50% of the rows.*rename it to context", out)
    assert "the key id holds texts" not in out


def test_an_ignored_key_that_is_named_as_advised_is_read(capsys, tmp_path):
    write("a.jsonl", [{**GOOD, "note": "이 답은 두 번째 책의 삼십 쪽에서 옮겼습니다."}])
    columns = ("--column", "instruction=instruction", "--column", "output=output", "--column", "input=note")
    _, out, _ = check(capsys, "a.jsonl", *columns, "--report", "r")
    assert "left out" not in out
    assert lines(tmp_path / "r" / "accepted.jsonl")[0]["input"].startswith("이 답은")


def test_an_ignored_key_that_is_renamed_as_advised_is_read(capsys, tmp_path):
    row = {
        "instruction": "요약해 주세요.",
        "note": "이 답은 두 번째 책의 삼십 쪽에서 옮겼습니다.",
        "output": "책에서 옮겼습니다.",
    }
    new_name = re.search(r"rename it to (\w+)", check(capsys, write("a.jsonl", [row]))[1])[1]
    _, out, _ = check(capsys, write("a.jsonl", [{new_name: row.pop("note"), **row}]), "--report", "r")
    assert "left out" not in out
    assert lines(tmp_path / "r" / "accepted.jsonl")[0]["input"].startswith("이 답은")


def test_keys_inside_messages_are_listed_by_their_place(capsys):
    answer = {
        "role": "assistant",
        "content": "여섯입니다.",
        "reasoning_content": "둘씩 세 번이니 여섯이 된다고 생각한다.",
    }
    chat = {"messages": [{"role": "user", "content": "둘에 셋을 곱하면?"}, answer]}
    _, out, _ = check(capsys, write("a.jsonl", [chat]))
    assert "100% messages[].reasoning_content: 둘씩" in out
    assert "the key messages[].reasoning_content holds texts" in out


def test_personal_data_in_samples_are_masked(capsys):
    _, out, _ = check(capsys, write("a.jsonl", [{**GOOD, "contact": "kim.cheolsu@naver.com 으로 보내 주세요"}]))
    assert "contact" in out
    assert "kim.cheolsu" not in out


def test_marks_of_rows_are_counted_with_their_reasons(capsys, tmp_path):
    rows = [
        {**GOOD, "status": "rejected"},
        {**ENGLISH, "reviewed": False},
        {**GOOD, "instruction": "색은 무엇인가요?", "corrected_output": "빨강입니다."},
    ]
    code, out, _ = check(capsys, write("a.jsonl", rows), "--report", "r")
    assert code == 1
    assert re.search(r"1  record-rejected +the record says that it is rejected", out)
    assert re.search(r"1  answer-corrected +the record holds a corrected answer", out)
    assert re.search(r"warnings:\n +1  record-doubtful", out)
    found = {line["rules"][0]["id"]: line["rules"][0]["found"] for line in lines(tmp_path / "r" / "quarantine.jsonl")}
    assert found == {"record-rejected": "status: rejected", "answer-corrected": "corrected_output: 빨강입니다."}


def test_companions_of_the_data_are_left_aside_and_test_splits_are_named(capsys, tmp_path):
    (tmp_path / "d").mkdir()
    write("d/train.jsonl", [GOOD])
    write("d/test.jsonl", [ENGLISH])
    for name in ("dataset_info.json", "state.json", "dataset_dict.json"):
        (tmp_path / "d" / name).write_text("{}", "utf-8")
    code, out, _ = check(capsys, "d")
    assert (code, "rows 2 = accepted 2" in out) == (0, True)
    assert "d/test.jsonl: a test or validation split, never trained on" in out
    assert "d/train.jsonl: a test" not in out
    assert "state.json" not in out
    assert summary(capsys, "d")[1]["held_out"] == ["d/test.jsonl"]


def test_columns_without_the_instruction_are_named_as_the_message_says(capsys):
    write("a.jsonl", [{"x": "수도는 어디인가요?", "y": "서울입니다."}])
    code, _, err = check(capsys, "a.jsonl", "--column", "output=y")
    assert code == 2
    advised = re.search(r"such as (instruction): (\w+)", err)
    assert check(capsys, "a.jsonl", "--column", f"{advised[1]}={advised[2]}", "--column", "output=y")[0] == 0


def test_a_folder_of_llama_factory_is_read_by_its_description(capsys, tmp_path):
    (tmp_path / "lf").mkdir()
    info = {
        "mine": {"file_name": "a.json", "columns": {"prompt": "q", "response": "r"}},
        "gone": {"file_name": "b.json"},
    }
    (tmp_path / "lf" / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    (tmp_path / "lf" / "a.json").write_text(json.dumps([{"q": GOOD["instruction"], "r": GOOD["output"]}]), "utf-8")
    code, found = summary(capsys, "lf")
    assert (code, found["accepted"], found["formats"]) == (0, 1, {"lf/a.json": ["alpaca"]})
