"""A dataset_info.json of LLaMA-Factory says what the columns of the files beside it mean."""

from __future__ import annotations

import json

import pytest

from seodang.errors import SourceError

CONVERSATION = [{"who": "me", "says": "가"}, {"who": "you", "says": "나"}]


@pytest.fixture
def read_described(tmp_path, read_rows):
    """Returns the only row of a record in a file that an entry describes."""

    def read(entry, record, file="a.json"):
        info = {"other": {"file_name": "none.json"}, "mine": {"file_name": file.split("/")[0], **entry}}
        (tmp_path / "dataset_info.json").write_text(json.dumps(info), "utf-8")
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (row,) = read_rows(tmp_path, [record], file=file)
        return row

    return read


def test_alpaca_columns_with_other_names_are_read(read_described):
    columns = {"prompt": "q", "query": "ctx", "response": "r", "system": "s", "history": "h"}
    record = {"q": "가", "ctx": "다", "r": "나", "s": "짧게", "h": [["안녕", "네"]]}
    row = read_described({"columns": columns}, record)
    assert [row[name] for name in ("instruction", "input", "output", "system")] == ["가", "다", "나", "짧게"]
    assert (len(row["turns"]), row["original"]) == (2, record)


@pytest.mark.parametrize("file", ["a.json", "folder/a.json"])
def test_sharegpt_tags_with_other_names_are_read(read_described, file):
    tags = {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "you"}
    entry = {"formatting": "sharegpt", "columns": {"messages": "dialog"}, "tags": tags}
    row = read_described(entry, {"dialog": CONVERSATION}, file)
    assert (row["instruction"], row["output"]) == ("가", "나")


@pytest.mark.parametrize(
    ("columns", "record"),
    [
        ({"prompt": "q", "chosen": "good", "rejected": "bad"}, {"q": "가", "good": "나", "bad": "다"}),
        ({"prompt": "q", "response": "both"}, {"q": "가", "both": ["나", "다"]}),
    ],
)
def test_a_ranking_is_a_preference_pair(read_described, columns, record):
    row = read_described({"ranking": True, "columns": columns}, record)
    assert (row["format"], row["output"], row["rejected"]) == ("preference", "나", "다")


def test_a_kto_tag_with_another_name_is_read(read_described):
    row = read_described(
        {"columns": {"prompt": "q", "response": "r", "kto_tag": "ok"}}, {"q": "가", "r": "나", "ok": False}
    )
    assert (row["format"], row["desirable"]) == ("kto", False)


def test_a_column_that_llama_factory_does_not_know_is_refused(read_described):
    with pytest.raises(SourceError, match=r"dataset_info\.json, mine: answer is not known"):
        read_described({"columns": {"prompt": "q", "answer": "r"}}, {"q": "가", "r": "나"})


def test_a_description_of_the_datasets_library_changes_nothing(tmp_path, read_rows, get_texts):
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": {"q": {"dtype": "string"}}}), "utf-8")
    assert get_texts(read_rows(tmp_path, [{"instruction": "가", "output": "나"}])) == [("가", "", "나")]
