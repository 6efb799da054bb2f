"""Stage prepare: its files and its report."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from tests.constants import ROOT
from tests.fixtures.sources import source

import seodang.stages.prepare as stage
from seodang.config import EvaluateParams, IngestParams, SourceParams
from seodang.config.load import resolve_params
from seodang.errors import ArtifactError, SplitError
from seodang.io.jsonl import read_json, read_records, read_rows, write_records
from seodang.paths import Paths
from seodang.preparation.splitting import SPLITS
from seodang.records import Record

PASSAGE = "가을이 되면 설악산의 단풍이 산꼭대기에서부터 천천히 아래로 물들어 내려오기 시작합니다"
NO_LEAKS = dict.fromkeys(("exact", "ngram", "minhash", "quote", "answer", "reworded"), 0)


@pytest.fixture
def paths(tmp_path) -> Paths:
    return Paths(tmp_path)


def ingest(*sources: SourceParams) -> IngestParams:
    primer = {"seed": 1, "sentiment_per_language": 1, "classification_per_language": 1, "open_per_language": 1}
    return IngestParams.model_validate(
        {"sources": list(sources) or [source("s")], "primer": primer, "max_field_characters": 1000}
    )


def evaluate(*tasks: str) -> EvaluateParams:
    return EvaluateParams.model_validate({**resolve_params({})["evaluate"], "tasks": list(tasks)})


@pytest.fixture(scope="module")
def make_reviews(build_record):
    def make_reviews(count: int, **others: Any) -> list[Record]:
        return [
            build_record(
                "감정을 분석하세요.", f"영화 {number} 정말 좋았어", "긍정", source_row=number, file="a.jsonl", **others
            )
            for number in range(count)
        ]

    return make_reviews


@pytest.fixture(scope="module")
def run_stage(build_prepare_params):
    def run_stage(
        paths: Paths, records: list[Record], *sources: SourceParams, tasks: tuple[str, ...] = (), **changes: Any
    ) -> dict[str, Any]:
        write_records(paths.accepted_records, records)
        prepare = build_prepare_params(**changes)
        stage.run(ingest=ingest(*sources), prepare=prepare, evaluate=evaluate(*tasks), paths=paths)
        return read_json(paths.prepare_report)

    return run_stage


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def read_ids(paths: Paths) -> dict[str, list[str]]:
    return {name: [row["id"] for row in read_lines(paths.get_split_path(name))] for name in SPLITS}


def test_records_without_duplicates_keep_their_order_and_follow_their_own_hash(
    assign_split, paths, build_prepare_params, make_reviews, run_stage
):
    records = make_reviews(200)
    report = run_stage(paths, records)
    expected = {
        name: [row.id for row in records if assign_split(row, build_prepare_params()) == name] for name in SPLITS
    }
    assert read_ids(paths) == expected
    assert report["splits"] == {name: len(ids) for name, ids in expected.items()}
    assert report["records"] == 200
    assert sum(report["left_out"].values()) == 0
    assert report["languages"]["train"] == {"ko": report["splits"]["train"]}
    assert report["tasks"]["test"] == {"t": report["splits"]["test"]}


def test_the_lines_of_train_are_the_accepted_ones_and_the_other_splits_add_the_group(paths, make_reviews, run_stage):
    run_stage(paths, make_reviews(100))
    accepted = {row["id"]: row for row in read_lines(paths.accepted_records)}
    for name in SPLITS:
        rows = read_lines(paths.get_split_path(name))
        assert rows == [{**accepted[row["id"]], "group": "" if name == "train" else row["id"]} for row in rows]
    assert set(read_ids(paths)["train"]) <= set(accepted)


def test_items_about_one_text_share_a_group_in_the_split_files(paths, build_record, make_reviews, run_stage):
    items = [
        build_record(question, PASSAGE, "단풍", role="test", task="held")
        for question in ("무엇인가요?", "어디?", "왜?")
    ]
    run_stage(paths, [*make_reviews(100), *items])
    groups = {row["id"]: row["group"] for row in read_lines(paths.get_split_path("test"))}
    assert {groups[item.id] for item in items} == {min(item.id for item in items)}
    assert [record.group for record in read_records(paths.get_split_path("test"))] == list(groups.values())


def test_a_duplicate_is_listed_with_the_kept_record(paths, build_record, make_reviews, run_stage):
    copy = build_record("감정을 분석하세요", "영화 3 정말 좋았어!", "긍정", source_row=7, file="b.jsonl")
    records = [*make_reviews(100), copy]
    report = run_stage(paths, records)
    assert read_lines(paths.duplicates) == [
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


def test_a_training_record_that_leaks_a_test_item_is_removed_and_the_item_is_kept(
    paths, build_record, make_reviews, run_stage
):
    item = build_record("요약하세요", PASSAGE, "단풍", role="test", task="summary", source="held")
    copy = build_record("제목을 붙이세요", f"{PASSAGE} 그래서", "가을 산", role="train", source_row=5, file="c.jsonl")
    report = run_stage(paths, [copy, *make_reviews(100), item])
    assert item.id in read_ids(paths)["test"]
    assert all(copy.id not in ids for ids in read_ids(paths).values())
    assert read_lines(paths.leaks) == [
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
    assert report["leaks"] == {"items": 1, "records": 1, "by_kind": {**NO_LEAKS, "ngram": 1}}
    assert report["left_out"]["leak"] == 1


def test_a_gold_answer_of_validation_is_not_trained_on(paths, build_record, make_reviews, run_stage):
    letters = np.random.default_rng(1).integers(0xAC00, 0xD7A3, (40, 60))  # 40 texts with nothing in common
    golds = ["".join(map(chr, text)) for text in letters]
    records = [build_record(f"{number}번째 산 이야기?", "", gold) for number, gold in enumerate(golds)]
    copies = [
        build_record("아무 말", "", f"{gold} 이라고 말합니다. 아무 말이나 더 붙입니다", role="train") for gold in golds
    ]
    run_stage(paths, [*make_reviews(100), *records, *copies], deduplication={"threshold": 0.99})
    leaks = read_lines(paths.leaks)
    validation = {row["id"] for row in read_lines(paths.get_split_path("validation"))}
    assert validation & {leak["item"] for leak in leaks}
    held_out = {row["output"] for name in SPLITS[1:] for row in read_lines(paths.get_split_path(name))}
    train = "".join(row["output"] for row in read_lines(paths.get_split_path("train")))
    assert not [gold for gold in golds if gold in held_out and gold in train]


def test_validation_is_kept_clean_too(paths, build_record, make_reviews, run_stage):
    items = [
        build_record("다른 말", f"영화 {number} 정말 좋았어", "긍정", role="test", task="held") for number in range(100)
    ]
    with pytest.raises(SplitError, match="train, validation would be empty"):
        run_stage(paths, [*make_reviews(100), *items])


def test_bad_answers_are_left_out_and_counted(paths, build_record, make_reviews, run_stage):
    report = run_stage(
        paths,
        [
            *make_reviews(100),
            build_record("무엇?", "", "나쁜 답", desirable=False),
            build_record("무엇?", "", "좋은 답", desirable=True),
        ],
    )
    assert report["left_out"]["undesirable"] == 1
    assert sum(report["splits"].values()) == 101


def test_a_source_of_weight_two_is_twice_in_train_and_once_in_other_splits(paths, make_reviews, run_stage):
    without_weight = run_stage(paths, make_reviews(100))["splits"]
    once = read_ids(paths)["train"]
    report = run_stage(paths, make_reviews(100), source("s", weight=2.0))
    assert read_ids(paths)["train"] == once + once
    assert report["splits"] == {**without_weight, "train": 2 * without_weight["train"]}
    assert report["copies"] == without_weight["train"]


def test_every_accepted_record_is_in_a_split_or_counted_as_left_out(paths, build_record, make_reviews, run_stage):
    records = [
        *make_reviews(60),
        *make_reviews(60, source="general")[20:],
        *(build_record(f"물음 {number}", "", "답", source="general") for number in range(80)),
        build_record("나", "", "a", desirable=False),
    ]
    report = run_stage(
        paths, records, source("s", weight=1.5, cap=40), source("general", replay=True, weight=0.7), replay_ratio=0.3
    )
    for name, counts in report["by_source"].items():
        split = [counts[split] for split in SPLITS]
        reasons = sum(counts[reason] for reason in report["left_out"])
        copies = counts["train"] - len(
            {row["id"] for row in read_lines(paths.get_split_path("train")) if row["source"] == name}
        )
        assert counts["accepted"] == sum(split) + reasons - copies
    assert sum(counts["accepted"] for counts in report["by_source"].values()) == report["records"] == len(records)
    assert report["splits"]["train"] == len(read_lines(paths.get_split_path("train")))


def test_the_report_warns_about_too_few_replay_records_in_both_languages(paths, build_record, make_reviews, run_stage):
    report = run_stage(
        paths,
        [*make_reviews(60), build_record("물음", "", "답", source="general", role="train")],
        source("s"),
        source("general", replay=True),
        replay_ratio=0.5,
    )
    warning = report["warnings"][0]
    assert "모자라" in warning["ko"]
    assert "prepare.replay_ratio" in warning["ko"]
    assert "the replay sources lack" in warning["en"]


def test_the_error_of_an_empty_split_is_korean_on_a_korean_terminal(paths, monkeypatch, make_reviews, run_stage):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(SplitError, match="레코드가 없게 됩니다"):
        run_stage(paths, make_reviews(100), test_ratio=0.0)


def test_the_same_records_give_the_same_bytes(paths, make_reviews, run_stage):
    first = run_stage(paths, [*make_reviews(100), *make_reviews(100)[:30]])
    assert run_stage(paths, [*make_reviews(100), *make_reviews(100)[:30]]) == first


def test_the_temporary_sketches_are_removed(paths, make_reviews, run_stage):
    run_stage(paths, make_reviews(100))
    assert sorted(file.name for file in paths.prepare_report.parent.iterdir()) == [
        "duplicates.jsonl",
        "leaks.jsonl",
        "preferences_left_out.jsonl",
        "preferences_test.jsonl",
        "preferences_train.jsonl",
        "report.json",
        "test.jsonl",
        "train.jsonl",
        "unseen.jsonl",
        "validation.jsonl",
    ]


def test_an_empty_split_stops_the_run_and_leaves_the_old_files(paths, make_reviews, run_stage):
    run_stage(paths, make_reviews(100))
    before = read_ids(paths)
    with pytest.raises(SplitError, match="test would be empty"):
        run_stage(paths, make_reviews(100), test_ratio=0.0)
    assert read_ids(paths) == before


def test_an_empty_file_names_the_stage_to_run(paths, run_stage):
    with pytest.raises(ArtifactError, match="dvc repro --force validate"):
        run_stage(paths, [])


@pytest.fixture
def steal(build_record):
    """Makes preference pairs that ask the first items of a bundled task."""

    def steal(task: str, count: int) -> list[Record]:
        rows = list(read_rows(ROOT / "tasks" / "data" / f"{task}.jsonl"))[:count]
        return [
            build_record(
                row.get("instruction") or row["prompt"],
                row.get("input", ""),
                row.get("output", "") or f"{number}번 답입니다.",
                rejected=f"{number}번은 모르겠다니까.",
                source_row=number,
            )
            for number, row in enumerate(rows)
        ]

    return steal


def test_preferences_that_ask_items_of_task_files_are_left_out_and_name_the_item(
    paths, make_reviews, run_stage, make_preference_records, steal, build_record
):
    copytree(ROOT / "tasks", paths.tasks)
    stolen = [*steal("retention", 20), *steal("replayed", 20), *steal("ifeval_ko", 10)]
    practice = build_record(
        "물건이 놓이는 곳을 쓰세요.", "돋보기안경", "서재", rejected="몰라."
    )  # the kind, not the item
    write_records(paths.accepted_preferences, [*make_preference_records(40), *stolen, practice])
    report = run_stage(paths, make_reviews(100), tasks=("retention", "replayed", "ifeval_ko"))
    leaks = {row["id"]: row["of"] for row in read_rows(paths.preferences_left_out) if row["reason"] == "leak"}
    assert sorted(leaks) == sorted(record.id for record in stolen)
    assert [leaks[record.id].partition("/")[0] for record in stolen] == [
        *["retention"] * 20,
        *["replayed"] * 20,
        *["ifeval_ko"] * 10,
    ]
    assert report["preferences"]["left_out"]["leak"] == 50
    kept = {record.id for file in (paths.preferences_train, paths.preferences_test) for record in read_records(file)}
    assert practice.id in kept


def test_a_task_that_is_not_evaluated_leaves_nothing_out(
    paths, make_reviews, run_stage, make_preference_records, steal
):
    copytree(ROOT / "tasks", paths.tasks)
    write_records(paths.accepted_preferences, [*make_preference_records(40), *steal("retention", 20)])
    assert run_stage(paths, make_reviews(100), tasks=("replayed",))["preferences"]["left_out"]["leak"] == 0


def test_without_preferences_no_task_file_is_read(paths, make_reviews, run_stage):
    assert "preferences" not in run_stage(paths, make_reviews(100), tasks=("no_such_task",))


def test_a_text_whose_likelihood_is_scored_is_an_item_too(
    paths, make_reviews, run_stage, make_preference_records, build_record
):
    paths.tasks.mkdir()
    text = (ROOT / "tasks" / "nsmc_perplexity.yaml").read_text("utf-8")
    (paths.tasks / "texts.yaml").write_text(
        text.partition("source:")[0].replace("nsmc/nsmc_validation_6000.tsv", "texts.csv")
    )
    (paths.tasks / "data").mkdir()
    (paths.tasks / "data" / "texts.csv").write_text(f"id,document,label\n1,{PASSAGE},1\n", "utf-8")
    copied = build_record("가을 산을 그려 주세요.", output=f"{PASSAGE}.", rejected="산이야.")
    write_records(paths.accepted_preferences, [*make_preference_records(40), copied])
    run_stage(paths, make_reviews(100), tasks=("texts",))
    assert [row["of"] for row in read_rows(paths.preferences_left_out) if row["reason"] == "leak"] == ["texts/1"]
