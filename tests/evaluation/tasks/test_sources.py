"""Sources of task files: data that are missing, files by a pattern, and the protocol.

Run: pytest tests/evaluation/tasks/test_sources.py
"""

import re
from pathlib import Path

import pytest

from seodang.errors import EvaluationError, ParamsError
from seodang.evaluation.tasks.files import list_files
from seodang.evaluation.tasks.loading import check_files, load_task
from seodang.evaluation.tasks.protocol import compute_protocol_fingerprint, describe_protocol
from seodang.evaluation.tasks.spec import FileData, load_specs
from seodang.ingest.readers.strict import read_rows_strict

FOLDER = Path(__file__).resolve().parents[3] / "tasks"
SPECS = {spec.name: spec for spec in load_specs(FOLDER, [])}
KOREAN = [name for name in SPECS if name.startswith(("kmmlu", "haerae", "click", "kobest", "hrm8k", "kbl", "csatqa"))]
REVISION = "0123456789abcdef0123456789abcdef01234567"
SOURCE = {
    "hub": "owner/films",
    "revision": REVISION,
    "urls": {},
    "page": "https://example.org/films",
    "licence": "CC0",
    "items": 2,
    "definition": None,
    "unverified": [],
}


def build_data(file):
    return {"file": file, "few_shot_file": None, "id": "{{data_file}}/{{data_row}}", "columns": {}, "where": None}


def test_every_task_with_data_of_its_own_names_source_and_licence():
    missing = [
        name
        for name, spec in SPECS.items()
        if isinstance(spec.data, FileData) and spec.source is None and not list_files(FOLDER / "data", spec.data.file)
    ]
    assert missing == []
    assert len(KOREAN) == 51
    for name in KOREAN:
        assert SPECS[name].source.definition.startswith("lm-evaluation-harness 0.4.13, ")


def test_all_missing_data_are_named_with_the_commands_that_fetch_them(tmp_path):
    specs = [SPECS["kmmlu"], SPECS["kobest_boolq"], SPECS["kobest_hellaswag"]]
    with pytest.raises(EvaluationError) as error:
        check_files(specs, [tmp_path, tmp_path / "bundled"])
    text = str(error.value)
    assert f"kmmlu: HAERAE-HUB/KMMLU/data/*test.csv not found in {tmp_path}; licence: CC BY-ND 4.0" in text
    assert re.search(
        r"hf download HAERAE-HUB/KMMLU --repo-type dataset --revision [0-9a-f]{40} --include 'data/\*test.csv' "
        rf"--local-dir {tmp_path}/HAERAE-HUB/KMMLU\n",
        text,
    )
    assert f"curl -fL --create-dirs -o {tmp_path}/kobest/BoolQ_dev.tsv https://raw.githubusercontent.com/" in text
    assert "get the data from https://huggingface.co/datasets/skt/kobest_v1" in text


def test_a_file_in_a_second_folder_is_not_missing(tmp_path, build_spec):
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    (bundled / "films.csv").touch()
    check_files([build_spec(data=build_data("films.csv"))], [tmp_path, bundled])


def test_a_source_that_is_not_stated_is_said_in_korean_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(EvaluationError, match="명시되지 않음"):
        check_files([SPECS["click_cul_law"]], [tmp_path])


def test_a_pattern_reads_all_files_and_ids_name_file_and_row(tmp_path, build_spec):
    for name in ("b", "a"):
        (tmp_path / f"{name}-test.csv").write_text("text,label\n좋다,1\n나쁘다,0\n", "utf-8")
    (tmp_path / "a-dev.csv").write_text("text,label\n아니다,0\n", "utf-8")
    task = load_task(build_spec(data=build_data("*-test.csv")), tmp_path, read_rows_strict, seed=1)
    assert sorted(sample.id for sample in task.samples) == ["a-test/1", "a-test/2", "b-test/1", "b-test/2"]


def test_an_unreadable_row_is_named_with_its_file(tmp_path, build_spec):
    (tmp_path / "a-test.csv").write_text("text,label\n좋다,1\n나쁘다,0\n좋다,7\n", "utf-8")
    with pytest.raises(EvaluationError, match=r"a-test\.csv, row 3: the label '7'"):
        load_task(build_spec(data=build_data("*-test.csv")), tmp_path, read_rows_strict, seed=1)


def test_a_file_of_the_hub_lies_below_the_name_of_the_data_set(build_spec):
    with pytest.raises(ParamsError, match="files of the hub begin with owner/films/"):
        build_spec(data=build_data("films.csv"), source=SOURCE)
    assert build_spec(data=build_data("owner/films/films.csv"), source=SOURCE).source.licence == "CC0"


def test_a_short_revision_is_refused(build_spec):
    with pytest.raises(ParamsError, match="revision"):
        build_spec(data=build_data("owner/films/films.csv"), source={**SOURCE, "revision": "0123abc"})


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": {"plain": "{{text}}?"}},
        {"delimiter": "\n"},
        {"separator": "\n\n\n"},
        {"options": {"0": "아니오", "1": "예"}},
        {"normalise": "characters", "metrics": ["accuracy_norm"]},
        {"metrics": ["accuracy"]},
        {"source": {**SOURCE, "hub": None, "definition": "another definition"}},
    ],
)
def test_another_protocol_has_another_fingerprint(build_spec, change):
    spec = build_spec(metrics=["accuracy", "macro_f1"])
    assert compute_protocol_fingerprint(spec) == compute_protocol_fingerprint(
        build_spec(metrics=["accuracy", "macro_f1"])
    )
    assert compute_protocol_fingerprint(spec) != compute_protocol_fingerprint(
        build_spec(**{"metrics": ["accuracy", "macro_f1"], **change})
    )


def test_another_rule_of_comparison_has_another_fingerprint(build_free_spec):
    matching = {"rule": "text", "pattern": None, "ignore_case": False, "ignore_punctuation": False, "ignore": []}
    fingerprints = {
        compute_protocol_fingerprint(build_free_spec(matching=value))
        for value in (None, matching, {**matching, "rule": "math"}, {**matching, "pattern": "([A-E])"})
    }
    assert len(fingerprints) == 4


def test_the_report_has_source_shots_and_prompt():
    row = describe_protocol(SPECS["kmmlu"], [0, 4])
    assert (row["source"]["licence"], row["source"]["items"], row["shots"]) == ("CC BY-ND 4.0", 35030, [0])
    assert row["prompts"]["harness"].endswith("정답：")
    assert describe_protocol(SPECS["kobest_boolq"], [0, 4])["shots"] == [0, 4]


def test_items_may_differ_in_their_number_of_options(tmp_path, build_spec):
    (tmp_path / "films.csv").write_text("text,label,third\n좋다,1,보통\n나쁘다,0,\n", "utf-8")
    spec = build_spec(
        data=build_data("films.csv"),
        options={"0": "부정", "1": "긍정", "2": "{{row['third']}}"},
        skip_blank_options=True,
    )
    task = load_task(spec, tmp_path, read_rows_strict, seed=1)
    assert {sample.id: len(sample.choices) for sample in task.samples} == {"films/1": 3, "films/2": 2}
