"""Stage prepare: what goes, what stays, and where it stands. The data card has tests of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from preparing_cases import prepare_params, record

import seodang.stages.prepare as stage
from seodang.config import IngestParams, SourceParams
from seodang.errors import ArtefactError, SplitError
from seodang.io.jsonl import read_json, write_records
from seodang.paths import Paths
from seodang.preparation.splitting import SPLITS, assign_split
from seodang.records import Record

PASSAGE = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"


@pytest.fixture
def paths(tmp_path, monkeypatch) -> Paths:
    return Paths(tmp_path)


def source(name: str, **changes: Any) -> SourceParams:
    empty = dict.fromkeys(("path", "sha256", "columns", "table", "language", "task", "cluster", "limit", "cap"))
    usual = {"kind": "primer", "format": "auto", "role": "any", "weight": 1.0, "replay": False, "licence": "CC0-1.0"}
    return SourceParams.model_validate({"name": name, **empty, **usual, **changes})


def ingest(*sources: SourceParams) -> IngestParams:
    primer = {"seed": 1, "sentiment_per_language": 1, "classification_per_language": 1, "open_per_language": 1}
    return IngestParams.model_validate(
        {"sources": list(sources) or [source("s")], "primer": primer, "max_field_characters": 1000}
    )


def plain(count: int, **others: Any) -> list[Record]:
    return [
        record("감정을 분석하세요.", f"영화 {number} 정말 좋았어", "긍정", source_row=number, file="a.jsonl", **others)
        for number in range(count)
    ]


def prepared(paths: Paths, records: list[Record], *sources: SourceParams, **changes: Any) -> dict[str, Any]:
    write_records(paths.accepted_records, records)
    stage.run(ingest=ingest(*sources), prepare=prepare_params(**changes), paths=paths)
    return read_json(paths.prepare_report)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def standing(paths: Paths) -> dict[str, list[str]]:
    return {name: [row["id"] for row in lines(paths.get_split_path(name))] for name in SPLITS}


def test_records_without_duplicates_stand_in_their_order_where_their_own_hash_says(paths):
    records = plain(200)
    report = prepared(paths, records)
    expected = {name: [row.id for row in records if assign_split(row, prepare_params()) == name] for name in SPLITS}
    assert standing(paths) == expected
    assert report["splits"] == {name: len(ids) for name, ids in expected.items()}
    assert report["records"] == 200
    assert sum(report["left_out"].values()) == 0
    assert report["languages"]["train"] == {"ko": report["splits"]["train"]}
    assert report["tasks"]["test"] == {"t": report["splits"]["test"]}


def test_the_lines_of_the_splits_are_the_accepted_ones(paths):
    prepared(paths, plain(100))
    accepted = set(paths.accepted.read_text("utf-8").splitlines())
    assert {line for name in SPLITS for line in paths.split(name).read_text("utf-8").splitlines()} == accepted


def test_a_duplicate_is_named_with_the_record_that_stays(paths):
    copy = record("감정을 분석하세요", "영화 3 정말 좋았어!", "긍정", source_row=7, file="b.jsonl")
    records = [*plain(100), copy]
    report = prepared(paths, records)
    assert lines(paths.duplicates) == [
        {
            "id": copy.id,
            "kept": records[3].id,
            "kind": "exact",
            "similarity": 1.0,
            "source": "s",
            "file": "b.jsonl",
            "source_row": 7,
        }
    ]
    assert report["left_out"]["exact_duplicate"] == report["by_source"]["s"]["exact_duplicate"] == 1
    assert report["duplicates"] == {"clusters": 1, "largest": 2, "removed": 1}


def test_a_training_record_that_gives_a_test_item_away_goes_and_the_item_stays(paths):
    item = record("요약하세요", PASSAGE, "단풍", role="test", task="summary", source="held")
    copy = record("제목을 붙이세요", f"{PASSAGE} 그래서", "가을 산", role="train", source_row=5, file="c.jsonl")
    report = prepared(paths, [copy, *plain(100), item])
    assert item.id in standing(paths)["test"]
    assert all(copy.id not in ids for ids in standing(paths).values())
    assert lines(paths.leaks) == [
        {
            "item": item.id,
            "item_task": "summary",
            "record": copy.id,
            "kind": "ngram",
            "overlap": 1.0,
            "source": "s",
            "file": "c.jsonl",
            "source_row": 5,
        },
    ]
    assert report["leaks"] == {"items": 1, "records": 1, "by_kind": {"exact": 0, "ngram": 1, "minhash": 0}}
    assert report["left_out"]["leak"] == 1


def test_validation_is_kept_clean_too(paths):
    items = [record("다른 말", f"영화 {number} 정말 좋았어", "긍정", role="test", task="held") for number in range(100)]
    with pytest.raises(SplitError, match="train and validation would be empty"):
        prepared(paths, [*plain(100), *items])


def test_bad_answers_are_left_out_and_counted(paths):
    report = prepared(
        paths,
        [*plain(100), record("무엇?", "", "나쁜 답", desirable=False), record("무엇?", "", "좋은 답", desirable=True)],
    )
    assert report["left_out"]["undesirable"] == 1
    assert sum(report["splits"].values()) == 101


def test_a_source_of_weight_two_stands_twice_in_train_and_once_elsewhere(paths):
    plainly = prepared(paths, plain(100))["splits"]
    once = standing(paths)["train"]
    report = prepared(paths, plain(100), source("s", weight=2.0))
    assert standing(paths)["train"] == once + once
    assert report["splits"] == {**plainly, "train": 2 * plainly["train"]}
    assert report["copies"] == plainly["train"]


def test_every_accepted_record_is_somewhere(paths):
    records = [
        *plain(60),
        *plain(60, source="general")[20:],
        *(record(f"물음 {number}", "", "답", source="general") for number in range(80)),
        record("나", "", "a", desirable=False),
    ]
    report = prepared(
        paths, records, source("s", weight=1.5, cap=40), source("general", replay=True, weight=0.7), replay_ratio=0.3
    )
    for name, counts in report["by_source"].items():
        split = [counts[split] for split in SPLITS]
        reasons = sum(counts[reason] for reason in report["left_out"])
        copies = counts["train"] - len({row["id"] for row in lines(paths.split("train")) if row["source"] == name})
        assert counts["accepted"] == sum(split) + reasons - copies
    assert sum(counts["accepted"] for counts in report["by_source"].values()) == report["records"] == len(records)
    assert report["splits"]["train"] == len(lines(paths.split("train")))


def test_too_few_replay_records_are_told_in_both_languages(paths):
    report = prepared(
        paths,
        [*plain(60), record("물음", "", "답", source="general", role="train")],
        source("s"),
        source("general", replay=True),
        replay_ratio=0.5,
    )
    assert "replay" in report["warnings"][0]["ko"]
    assert "lack" in report["warnings"][0]["en"]


def test_the_same_records_give_the_same_bytes(paths):
    first = prepared(paths, [*plain(100), *plain(100)[:30]])
    assert prepared(paths, [*plain(100), *plain(100)[:30]]) == first


def test_no_sketches_are_left_behind(paths):
    prepared(paths, plain(100))
    assert sorted(file.name for file in paths.prepare_report.parent.iterdir()) == [
        "duplicates.jsonl",
        "leaks.jsonl",
        "report.json",
        "test.jsonl",
        "train.jsonl",
        "unseen.jsonl",
        "validation.jsonl",
    ]


def test_an_empty_split_stops_the_run_and_leaves_the_old_files(paths):
    prepared(paths, plain(100))
    before = standing(paths)
    with pytest.raises(SplitError, match="test would be empty"):
        prepared(paths, plain(100), test_ratio=0.0)
    assert standing(paths) == before


def test_an_empty_file_names_the_stage_to_run(paths):
    with pytest.raises(ArtefactError, match="dvc repro --force validate"):
        prepared(paths, [])
