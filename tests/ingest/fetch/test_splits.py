"""The test splits of a data set are held out, and files that describe the data are left aside."""

from __future__ import annotations

import json

import pytest

from seodang.ingest.fetch.files import is_auxiliary_file
from seodang.ingest.fetch.local import find_local_files
from seodang.ingest.fetch.splits import mark_held_out_files


def list_held_out(folder, *names, states=()):
    for name in (*names, *states):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", "utf-8")
    files = mark_held_out_files(find_local_files(".", folder))
    assert {file.location for file in files} == set(names)
    return {file.location for file in files if file.is_held_out}


@pytest.mark.parametrize(
    ("names", "held_out"),
    [
        (
            ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"],
            {"data/test-00000-of-00001.parquet"},
        ),
        (["data/validation-00000-of-00002.parquet"], {"data/validation-00000-of-00002.parquet"}),
        (["default/train/0000.parquet", "default/test/0000.parquet"], {"default/test/0000.parquet"}),
        (["train.jsonl", "test.jsonl", "dev.jsonl"], {"test.jsonl", "dev.jsonl"}),
        (["boolq_train.tsv", "boolq_dev.tsv", "copa_dev.tsv"], {"boolq_dev.tsv"}),
        (["train/a.json", "test/a.json"], {"test/a.json"}),
        (["test.jsonl"], set()),
        (["latest.jsonl", "contest.json", "train.jsonl"], set()),
    ],
)
def test_a_name_that_states_a_test_split_holds_its_file_out(tmp_path, names, held_out):
    assert list_held_out(tmp_path, *names) == held_out


def test_a_saved_dataset_dict_keeps_its_splits(tmp_path):
    names = ["train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"]
    states = ["dataset_dict.json", "train/state.json", "train/dataset_info.json", "test/state.json"]
    assert list_held_out(tmp_path, *names, states=states) == {"test/data-00000-of-00001.arrow"}


def test_a_saved_dataset_of_a_test_split_is_held_out(tmp_path):
    (tmp_path / "state.json").write_text(json.dumps({"_split": "test"}), "utf-8")
    (tmp_path / "data-00000-of-00001.arrow").write_text("", "utf-8")
    assert [file.is_held_out for file in mark_held_out_files(find_local_files(".", tmp_path))] == [True]


@pytest.mark.parametrize(
    "name", ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "schema.json", "_SUCCESS"]
)
def test_a_description_of_the_data_is_no_data(name):
    assert is_auxiliary_file(name)
    assert not is_auxiliary_file(f"my_{name}")


@pytest.mark.parametrize(
    "data_files",
    [
        "[{split: train, path: data/a*.csv}, {split: test_ko, path: [data/b.csv]}]",
        "{train: data/a.csv, validation: data/b.csv}",
        "[{split: train, path: 'data/*'}, {split: test, path: data/b.csv}]",
    ],
)
def test_the_card_of_a_data_set_states_the_splits_of_its_files(tmp_path, data_files):
    card = f"---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files: {data_files}\n---\n# Title\n"
    (tmp_path / "README.md").write_text(card, "utf-8")
    assert list_held_out(tmp_path, "data/a.csv", "data/b.csv") == {"data/b.csv"}


@pytest.mark.parametrize("card", ["", "# Title\n", "---\n: [\n---\n", "---\nconfigs: x\n---\n"])
def test_a_card_without_configs_states_no_split(tmp_path, card):
    (tmp_path / "README.md").write_text(card, "utf-8")
    assert list_held_out(tmp_path, "a.csv") == set()
