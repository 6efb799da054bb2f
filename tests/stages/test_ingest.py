"""Stage `ingest`: from files to one file of rows, and the manifest that says where each came from."""

from __future__ import annotations

import json
import logging

import pytest

from seodang.config import AlignParams, IngestParams
from seodang.config.load import resolve_params
from seodang.errors import SourceError
from seodang.ingest.rows import FIELDS
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_rows
from seodang.licences.verdict import judge_licences, list_parts
from seodang.paths import Paths
from seodang.stages import ingest

PRIMER = {"seed": 1, "sentiment_per_language": 2, "classification_per_language": 2, "open_per_language": 2}
GOOD = [
    {"instruction": "수도는 어디인가요?", "input": "", "output": "서울"},
    {"instruction": "Say hello.", "output": "Hello!"},
]


NO_ALIGNMENT = AlignParams.model_validate(resolve_params({})["align"])


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def run(paths, *sources, max_field_characters=200):
    fields = {"sources": list(sources), "primer": PRIMER, "max_field_characters": max_field_characters}
    return ingest.run(ingest=IngestParams.model_validate(fields), align=NO_ALIGNMENT, paths=paths)


def write(paths, name, records):
    (paths.root / name).parent.mkdir(parents=True, exist_ok=True)
    (paths.root / name).write_text(json.dumps(records, ensure_ascii=False), "utf-8")


def files(paths):
    return sorted(path.relative_to(paths.artifacts).as_posix() for path in paths.artifacts.rglob("*") if path.is_file())


def test_the_manifest_says_where_every_row_came_from(paths, caplog, build_file_source):
    caplog.set_level(logging.INFO, "seodang.stages.ingest")
    write(paths, "data.json", [*GOOD, {**GOOD[0], "note": "qa"}])
    (paths.root / "nsmc.tsv").write_text("id\tdocument\tlabel\n1\t좋다\t1\n2\t나쁘다\t0\n", "utf-8")
    run(
        paths,
        build_file_source("data", "data.json", limit=2, language="ko"),
        build_file_source("films", "nsmc.tsv", role="test"),
    )
    manifest = read_json(paths.ingest_report)
    data, films = manifest["sources"]
    assert manifest["rows"] == 4
    assert manifest["records_sha256"] == compute_sha256(paths.records)
    assert data["files"] == [
        {
            "path": "data.json",
            "sha256": compute_sha256(paths.root / "data.json"),
            "bytes": (paths.root / "data.json").stat().st_size,
            "encoding": "utf-8",
        }
    ]
    assert (data["kind"], data["format"], data["licence"]) == ("file", "alpaca", "CC0-1.0")
    assert (data["rows_read"], data["rows_written"], data["ignored_keys"]) == (3, 2, ["note"])
    assert (films["format"], films["by_language"], films["by_task"], films["ignored_keys"]) == (
        "nsmc",
        {"ko": 2},
        {"nsmc": 2},
        [],
    )
    assert "ingested films: 2 of 2 rows (ko 2), nsmc, CC0-1.0" in caplog.messages
    assert "ingested data: a record has no field for the keys note; they were ignored" in caplog.messages


def test_every_row_has_the_fields_of_the_contract(paths, build_file_source):
    write(paths, "data.json", GOOD)
    run(
        paths,
        build_file_source("primer", None, kind="primer"),
        build_file_source("data", "data.json"),
        max_field_characters=4000,
    )
    rows = list(read_rows(paths.records))
    assert {tuple(row) for row in rows} == {FIELDS}
    assert {row["format"] for row in rows} == {"primer", "alpaca"}
    assert read_json(paths.ingest_report)["sources"][0]["files"] == []


def test_rows_of_a_record_count_each_and_share_its_number(paths, build_file_source):
    write(
        paths,
        "seeds.json",
        [
            {
                "instruction": "Antonym?",
                "instances": [{"input": "hot", "output": "cold"}, {"input": "up", "output": "down"}],
            }
        ],
    )
    report = run(paths, build_file_source("seeds", "seeds.json"))
    assert (report["rows"], [row["source_row"] for row in read_rows(paths.records)]) == (2, [0, 0])


def test_a_folder_takes_each_file_in_its_own_format(paths, build_file_source):
    write(paths, "inbox/a.json", GOOD)
    write(paths, "inbox/b.json", [{"question": "왜?", "answer": "그냥"}])
    report = run(paths, build_file_source("inbox", "inbox"))
    assert report["sources"][0]["format"] == "alpaca, qa"
    assert [(row["file"], row["format"]) for row in read_rows(paths.records)] == [
        ("inbox/a.json", "alpaca"),
        ("inbox/a.json", "alpaca"),
        ("inbox/b.json", "qa"),
    ]


def test_the_same_sources_give_the_same_bytes(paths, build_file_source):
    write(paths, "data.json", [*GOOD, GOOD[0]])
    run(paths, build_file_source("data", "data.json"))
    before = [path.read_bytes() for path in (paths.records, paths.ingest_report)]
    run(paths, build_file_source("data", "data.json"))
    assert before == [path.read_bytes() for path in (paths.records, paths.ingest_report)]


def test_one_message_names_all_unusable_sources_and_nothing_is_written(paths, build_file_source):
    write(paths, "good.json", GOOD)
    write(paths, "odd.json", [{"이름": "가"}])
    (paths.root / "cut.json").write_text('[{"instruction": "잘린', "utf-8")
    (paths.root / "empty.jsonl").write_text("", "utf-8")
    with pytest.raises(SourceError) as raised:
        run(
            paths,
            *(build_file_source(name, f"{name}.json") for name in ("good", "cut", "gone", "odd")),
            build_file_source("empty", "empty.jsonl"),
        )
    message = str(raised.value)
    assert message.startswith("errors in the sources (4):")
    assert "source 'cut': cut.json, line 1, column 18: this is not JSON" in message
    assert "잘린" in message
    assert "source 'gone': gone.json does not exist" in message
    assert "source 'odd': odd.json: the record format is unknown; found the keys 이름" in message
    assert "source 'empty': empty.jsonl is empty" in message
    assert files(paths) == []


def test_a_source_that_became_unreadable_leaves_the_former_rows_whole(paths, build_file_source):
    write(paths, "data.json", GOOD)
    run(paths, build_file_source("data", "data.json"))
    before = paths.records.read_bytes()
    (paths.root / "data.json").write_text("[", "utf-8")
    with pytest.raises(SourceError):
        run(paths, build_file_source("data", "data.json"))
    assert paths.records.read_bytes() == before
    assert files(paths) == ["ingest/manifest.json", "ingest/preferences.jsonl", "ingest/records.jsonl"]


def test_a_source_that_does_not_answer_may_be_tried_again_but_not_beside_one_that_is_wrong(
    tmp_path, monkeypatch, build_file_source, find_free_port
):
    monkeypatch.setattr("seodang.ingest.fetch.http._RETRY_DELAYS", ())
    paths = Paths(tmp_path)
    silent = build_file_source("silent", f"http://127.0.0.1:{find_free_port()}/data.jsonl", sha256="0" * 64)
    sources = {"alone": [silent], "beside": [silent, build_file_source("gone", "gone.json")]}
    raised = {}
    for name, listed in sources.items():
        with pytest.raises(SourceError) as caught:
            ingest.run(
                ingest=IngestParams.model_validate({"sources": listed, "primer": PRIMER, "max_field_characters": 200}),
                align=NO_ALIGNMENT,
                paths=paths,
            )
        raised[name] = caught.value
    assert {name: error.exit_code for name, error in raised.items()} == {"alone": 75, "beside": 2}
    assert "gone.json does not exist" in str(raised["beside"])


PROVENANCE = {
    "teacher": "qwen", "licence": "Apache-2.0", "recipe": "self-instruct", "prompt_sha256": "ab", "date": "2026-11-30"
}  # fmt: skip


def test_the_manifest_counts_the_records_of_a_teacher_and_names_its_licence(paths, caplog, build_file_source):
    later = {**PROVENANCE, "prompt_sha256": "cd", "date": "2026-12-01"}
    other = {**PROVENANCE, "teacher": "gpt", "licence": "OpenAI Terms of Use", "recipe": "answer"}
    generated = [
        {**record, "provenance": of} for record, of in zip(GOOD * 2, (PROVENANCE, later, other, None), strict=True)
    ]
    write(paths, "own.json", generated)
    run(paths, build_file_source("own", "own.json", teachers=["MIT"]))
    source = read_json(paths.ingest_report)["sources"][0]
    assert source["teachers"] == ["MIT", "Apache-2.0", "OpenAI Terms of Use"]
    assert [(batch["teacher"], batch["recipe"], batch["rows"], batch["prompts"]) for batch in source["generated"]] == [
        ("qwen", "self-instruct", 2, 2),
        ("gpt", "answer", 1, 1),
    ]
    assert (source["generated"][0]["first_date"], source["generated"][0]["last_date"]) == ("2026-11-30", "2026-12-01")
    assert source["ignored_keys"] == []


def test_a_provenance_without_a_teacher_is_an_ignored_key_and_a_source_without_one_has_no_such_entry(
    paths, build_file_source
):
    write(paths, "own.json", [{**GOOD[0], "provenance": "a book"}])
    run(paths, build_file_source("own", "own.json"))
    source = read_json(paths.ingest_report)["sources"][0]
    assert source["ignored_keys"] == ["provenance"]
    assert "generated" not in source
    assert source["teachers"] == []


def test_a_teacher_without_a_stated_licence_leaves_the_verdict_unknown(paths, build_file_source):
    write(paths, "own.json", [{**GOOD[0], "provenance": {"teacher": "qwen", "recipe": "answer"}}])
    run(paths, build_file_source("own", "own.json"))
    sources = read_json(paths.ingest_report)["sources"]
    assert judge_licences("commercial", list_parts("MIT", sources)).status == "unknown"


PAIR = {"prompt": "수도는 어디인가요?", "chosen": "서울입니다.", "rejected": "부산입니다."}
THUMB = {"prompt": "수도는 어디인가요?", "completion": "서울", "label": False}


def run_with_preferences(paths, instructions, preferences, method="dpo"):
    fields = {"sources": instructions, "primer": PRIMER, "max_field_characters": 200}
    sources = IngestParams.model_validate({**fields, "sources": preferences}).sources
    align = NO_ALIGNMENT.model_copy(update={"method": method, "sources": sources})
    return ingest.run(ingest=IngestParams.model_validate(fields), align=align, paths=paths)


def test_preferences_are_read_beside_the_records_which_stay_the_same(paths, build_file_source):
    write(paths, "data/a.json", GOOD)
    write(paths, "data/pairs.json", [PAIR, THUMB, GOOD[0]])
    instructions, preferences = [build_file_source("own", "data")], [build_file_source("pairs", "data/pairs.json")]
    run_with_preferences(paths, instructions, preferences, "none")
    records, manifest = paths.records.read_bytes(), read_json(paths.ingest_report)
    assert paths.preference_rows.read_bytes() == b""
    assert "preferences" not in manifest
    run_with_preferences(paths, instructions, preferences)
    assert paths.records.read_bytes() == records
    report = read_json(paths.ingest_report)
    assert {**report, "preferences": None} == {**manifest, "preferences": None}
    assert (report["preferences"]["rows"], report["preferences"]["sources"][0]["name"]) == (3, "pairs")
    pair, thumb, plain = read_rows(paths.preference_rows)
    assert (pair["rejected"], thumb["desirable"]) == ("부산입니다.", False)
    assert [list(row["marks"]) for row in (pair, thumb, plain)] == [[], [], ["preference-missing"]]


def test_the_errors_of_records_and_preferences_are_reported_together(paths, build_file_source):
    with pytest.raises(SourceError) as caught:
        run_with_preferences(
            paths, [build_file_source("gone", "gone.json")], [build_file_source("lost", "lost.json")], "kto"
        )
    assert "gone.json does not exist" in str(caught.value)
    assert "lost.json does not exist" in str(caught.value)
    assert files(paths) == []
