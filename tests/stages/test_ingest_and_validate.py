"""The stages `ingest` and `validate`: from files to records, quarantine and reports."""

from __future__ import annotations

import json
import logging

import pytest

from seodang.errors import ArtefactError, DataRejected, SourceError
from seodang.jsonl import read_json, read_records, read_rows, sha256_of
from seodang.params import ExpectationsParams, IngestParams
from seodang.paths import Paths
from seodang.stages import ingest, validate

BOUNDS = {
    "min_instruction_characters": 2,
    "max_instruction_characters": 100,
    "max_input_characters": 100,
    "max_output_characters": 100,
    "max_quarantined_share": 0.5,
    "min_accepted": 1,
}
PRIMER = {"seed": 1, "sentiment_per_language": 2, "classification_per_language": 2, "open_per_language": 2}
TABLE = {"text_column": "document", "label_column": "label", "labels": {"0": "부정", "1": "긍정"}, "instructions": ["긍정인가요, 부정인가요?"]}
GOOD = [{"instruction": "수도는 어디인가요?", "input": "", "output": "서울"}, {"instruction": "Say hello.", "output": "Hello!"}]


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def source(name, path, **changes):
    fields = {"kind": "file", "format": "auto", "table": None, "language": None, "task": None, "cluster": None, "limit": None, "role": "any", "licence": "CC0-1.0"}
    return {"name": name, "path": path, **fields, **changes}


def run_ingest(paths, *sources, max_field_characters=200):
    fields = {"sources": list(sources), "primer": PRIMER, "max_field_characters": max_field_characters}
    return ingest.run(ingest=IngestParams.model_validate(fields), paths=paths)


def run_validate(paths, **changes):
    return validate.run(expectations=ExpectationsParams.model_validate({**BOUNDS, **changes}), paths=paths)


def write(paths, name, records):
    (paths.root / name).write_text(json.dumps(records, ensure_ascii=False), "utf-8")


def ingested(paths, records):
    write(paths, "data.json", records)
    run_ingest(paths, source("data", "data.json"))


def files(paths):
    return sorted(path.relative_to(paths.artifacts).as_posix() for path in paths.artifacts.rglob("*") if path.is_file() and "data_docs" not in path.parts)


def test_the_manifest_says_where_every_row_came_from(paths, caplog):
    caplog.set_level(logging.INFO, "seodang.stages.ingest")
    write(paths, "data.json", [*GOOD, {**GOOD[0], "category": "qa"}])
    (paths.root / "nsmc.tsv").write_text("id\tdocument\tlabel\n1\t좋다\t1\n2\t나쁘다\t0\n", "utf-8")
    run_ingest(paths, source("data", "data.json", limit=2), source("films", "nsmc.tsv", format="table", table=TABLE, task="sentiment", role="test"))
    manifest = read_json(paths.ingest_report)
    data, films = manifest["sources"]
    assert manifest["rows"] == 4
    assert manifest["records_sha256"] == sha256_of(paths.records)
    assert data["files"] == [{"path": "data.json", "sha256": sha256_of(paths.root / "data.json"), "bytes": (paths.root / "data.json").stat().st_size}]
    assert (data["licence"], data["rows_read"], data["rows_written"], data["ignored_keys"]) == ("CC0-1.0", 3, 2, ["category"])
    assert (films["kind"], films["by_language"], films["by_task"]) == ("file", {"ko": 2}, {"sentiment": 2})
    assert "ingested films: 2 of 2 rows (ko 2), CC0-1.0" in caplog.messages


def test_the_primer_passes_every_expectation(paths):
    run_ingest(paths, source("primer", None, kind="primer"), max_field_characters=4000)
    report = run_validate(paths, max_instruction_characters=4000, max_input_characters=4000, max_output_characters=4000)
    assert (report["quarantined"], report["by_rule"]) == (0, {})


def test_accepted_records_carry_role_place_and_choices(paths):
    (paths.root / "nsmc.tsv").write_text("document\tlabel\n 좋다\t1\n나쁘다\t0\n", "utf-8")
    run_ingest(paths, source("films", "nsmc.tsv", format="table", table=TABLE, role="train", task="sentiment", cluster="opinion"))
    run_validate(paths)
    first, second = read_records(paths.accepted)
    assert (first.input, first.output, first.choices, first.role, first.file, first.source_row) == ("좋다", "긍정", ("부정", "긍정"), "train", "nsmc.tsv", 0)
    assert (second.source_row, second.task, second.cluster, second.language) == (1, "sentiment", "opinion", "ko")


def test_a_rejected_row_is_kept_with_place_rule_found_value_reason_and_fix(paths):
    ingested(paths, [*GOOD, {"instruction": "답이 없는 질문"}])
    run_validate(paths)
    (line,) = read_rows(paths.quarantine)
    assert (line["source"], line["file"], line["source_row"]) == ("data", "data.json", 2)
    assert line["row"]["instruction"] == "답이 없는 질문"
    assert line["rules"] == [
        {
            "id": "output-missing",
            "field": "output",
            "found": "null",
            "reason_ko": "답(output)이 없습니다",
            "reason_en": "output is missing",
            "fix_ko": "원본에 output을 채우거나 그 행을 지우세요",
            "fix_en": "fill in output at the source, or delete the row",
        }
    ]


def test_accepted_and_quarantined_add_up_to_the_rows_read(paths):
    ingested(paths, [*GOOD, GOOD[0], {"instruction": 1, "output": None}, {"instruction": "x" * 5000, "output": "y"}, {"instruction": "하나 더", "output": "둘"}])
    run_validate(paths)
    report = read_json(paths.validate_report)
    assert (report["rows"], report["accepted"], report["quarantined"]) == (6, 3, 3)
    assert report["by_rule"] == {"instruction-not-text": 1, "output-missing": 1, "instruction-oversized": 1, "duplicate": 1}
    assert report["by_source"] == {"data": {"accepted": 3, "quarantined": 3}}
    assert report["input_sha256"] == sha256_of(paths.records)
    assert (len(list(read_records(paths.accepted))), len(list(read_rows(paths.quarantine)))) == (3, 3)


def test_the_same_sources_give_the_same_bytes(paths):
    ingested(paths, [*GOOD, GOOD[0]])
    run_validate(paths)
    before = [path.read_bytes() for path in (paths.records, paths.ingest_report, paths.accepted, paths.quarantine, paths.validate_report)]
    run_ingest(paths, source("data", "data.json"))
    run_validate(paths)
    assert before == [path.read_bytes() for path in (paths.records, paths.ingest_report, paths.accepted, paths.quarantine, paths.validate_report)]


def test_all_faulty_sources_are_told_in_one_message_and_nothing_is_written(paths):
    write(paths, "good.json", GOOD)
    (paths.root / "cut.json").write_text('[{"instruction": "잘린', "utf-8")
    (paths.root / "empty.jsonl").write_text("", "utf-8")
    with pytest.raises(SourceError) as raised:
        run_ingest(paths, source("good", "good.json"), source("cut", "cut.json"), source("gone", "gone.json"), source("empty", "empty.jsonl"))
    message = str(raised.value)
    assert message.startswith("3 faults in ingest.sources:")
    assert "source 'cut': cut.json, line 1, column 18: this is not JSON" in message
    assert "잘린" in message
    assert "source 'gone': gone.json does not exist" in message
    assert "source 'empty': empty.jsonl is empty" in message
    assert files(paths) == []


def test_a_source_that_became_unreadable_leaves_the_former_rows_whole(paths):
    ingested(paths, GOOD)
    before = paths.records.read_bytes()
    (paths.root / "data.json").write_text("[", "utf-8")
    with pytest.raises(SourceError):
        run_ingest(paths, source("data", "data.json"))
    assert paths.records.read_bytes() == before
    assert files(paths) == ["ingest/manifest.json", "ingest/records.jsonl"]


def test_too_many_bad_rows_stop_the_run_but_leave_all_that_explains_it(paths):
    ingested(paths, [GOOD[0], *({"instruction": f"질문 {number}번"} for number in range(5)), {"instruction": "빈 답", "output": ""}])
    with pytest.raises(DataRejected) as raised:
        run_validate(paths, min_accepted=2)
    message = str(raised.value)
    assert "of 7 rows 1 are accepted, 6 (85.7%) quarantined" in message
    assert "more than 50.0% of the rows are quarantined" in message
    assert "받아들인 행이 2개보다 적습니다" in message
    assert "5 output-missing: output is missing / 답(output)이 없습니다" in message
    assert str(paths.quarantine) in message
    assert str(paths.data_docs / "index.html") in message
    assert files(paths) == ["ingest/manifest.json", "ingest/records.jsonl", "validate/quarantine.jsonl", "validate/report.json"]
    assert (paths.data_docs / "index.html").stat().st_size > 0
    assert read_json(paths.validate_report)["data_set_faults"] == ["quarantined-share", "accepted-count"]


def test_a_rejected_set_takes_the_former_records_away(paths):
    ingested(paths, GOOD)
    run_validate(paths)
    with pytest.raises(DataRejected):
        run_validate(paths, min_accepted=3)
    assert not paths.accepted.exists()


def test_a_record_of_millions_of_letters_goes_to_quarantine_and_not_into_the_data_docs(paths):
    ingested(paths, [*GOOD, {"instruction": "요약해 주세요", "input": "가" * 5_000_000, "output": "가"}])
    run_validate(paths)
    (line,) = read_rows(paths.quarantine)
    assert [(rule["id"], rule["found"]) for rule in line["rules"]] == [("input-oversized", "200 characters: " + "가" * 63 + "…")]
    assert sum(path.stat().st_size for path in paths.data_docs.rglob("*") if path.is_file()) < 200_000


@pytest.mark.parametrize("content", [None, "", '{"instruction": "가"}\n', '{"instr'], ids=["missing", "empty", "other fields", "damaged"])
def test_rows_that_ingest_did_not_write_are_told_with_the_command_that_mends_them(paths, content):
    if content is not None:
        paths.records.parent.mkdir(parents=True)
        paths.records.write_text(content, "utf-8")
    with pytest.raises(ArtefactError, match=r"records\.jsonl.*; run: dvc repro .*ingest"):
        run_validate(paths)
