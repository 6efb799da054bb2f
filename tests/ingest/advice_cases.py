"""What it means to follow the advice of each message of ingest literally; test_advice.py applies it.

A function takes the folder of a project, the message and the entry of the source, and returns the entry to try next.
What it changes, it takes from the message, never from knowledge about the case.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from seodang.ingest.formats.column_guess import build_label_template

ROWS = [{"instruction": "수도는?", "output": "서울"}, {"instruction": "Say hi", "output": "Hi"}]
TABLE = {
    "label_column": "label",
    "labels": {"0": "부정", "1": "긍정"},
    "input": "{text}",
    "instructions": ["감정은?"],
}
Entry = dict[str, Any]
Follow = Callable[[Path, str, Entry], Entry]


@dataclass(frozen=True, slots=True)
class Case:
    """A source that gives a message, and how its advice is followed."""

    files: dict[str, str | bytes]
    follow: Follow
    entry: Entry = field(default_factory=dict)  # keys of the source; path: data
    rows: int = 2  # after the advice was followed
    next_message: str = ""  # the message that may come next, where the first one was about something else


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def find(pattern: str, message: str) -> str:
    match = re.search(pattern, message)
    assert match, f"{pattern} is not in {message}"
    return match[1]


def get_file(folder: Path) -> Path:
    return next(path for path in sorted((folder / "data").iterdir()) if path.name != "dataset_info.json")


def write_columns(_folder: Path, message: str, entry: Entry) -> Entry:
    """Write what the message says after "write"."""
    return entry | yaml.safe_load("{" + find(r"write (format: columns, columns: \{.*?\})", message) + "}")


def name_found_keys(_folder: Path, message: str, entry: Entry) -> Entry:
    """Name the first two keys that the message found."""
    names = find(r"found the keys ([^;]*);", message).split(", ")
    return entry | {"format": "columns", "columns": {"instruction": names[0], "output": names[1]}}


def run_check_columns(_folder: Path, message: str, entry: Entry) -> Entry:
    """Read the file with the columns of the command at the end of the message, as `seodang check` prints them."""
    assert "try: seodang check data/a.csv --column" in message
    columns = dict(pair.split("=", 1) for pair in re.findall(r"--column (\S+)", message))
    if "label" not in columns:
        return entry | {"format": "columns", "columns": columns}
    template = build_label_template(columns["text"], columns["label"], ["1", "0"], "글")
    return entry | {"format": "table", "table": template.model_dump()}


def set_auto(_folder: Path, message: str, entry: Entry) -> Entry:
    assert "or set it to auto" in message
    return entry | {"format": "auto"}


def name_column(_folder: Path, message: str, entry: Entry) -> Entry:
    """Replace each name that the table lacks by the column that is left over."""
    columns = find(r"its columns are ([^;]*);", message).split(", ")
    table = json.loads(json.dumps(entry["table"]))
    if "label_column" in message:
        table["label_column"] = next(name for name in columns if f"{{{name}}}" not in table["input"])
    else:
        table["input"] = f"{{{next(name for name in columns if name != table['label_column'])}}}"
    return entry | {"table": table}


def correct_misspelling(_folder: Path, message: str, entry: Entry) -> Entry:
    wrong, near = find(r"\{(\w+)\}", message), find(r"did you mean (\w+)\?", message)
    return entry | {"table": {**entry["table"], "input": entry["table"]["input"].replace(wrong, near)}}


def put_names_first(folder: Path, message: str, entry: Entry) -> Entry:
    path, names = get_file(folder), find(r"columns first: (\[.*?\])", message)
    text = path.read_text("utf-8")
    path.write_text(f"{names}\n{text}" if path.suffix == ".jsonl" else f"[{names}, {text[1:]}", "utf-8")
    return entry


def run_pandas(folder: Path, message: str, entry: Entry) -> Entry:
    path = get_file(folder)
    code = find(r"in pandas: (df\..*?\))$", message)
    df = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path)
    path.unlink()
    os.chdir(folder / "data")
    eval(code, {"df": df})
    os.chdir(folder)
    return entry


def write_two_files(folder: Path, message: str, entry: Entry) -> Entry:
    path = get_file(folder)
    content = json.loads(path.read_text("utf-8"))
    for name in find(r"two lists of records, (.*?);", message).split(" and "):
        (path.parent / f"{name}.json").write_text(json.dumps(content[name]), "utf-8")
    path.unlink()
    return entry


def decompress(folder: Path, message: str, entry: Entry) -> Entry:
    path = get_file(folder)
    content = path.read_bytes()
    path.unlink()
    (path.parent / path.stem).write_bytes(gzip.decompress(content))
    return entry | {"path": f"data/{path.stem}"}


def export_csv(folder: Path, message: str, entry: Entry) -> Entry:
    path = get_file(folder)
    with sqlite3.connect(path) as database:
        pd.read_sql("select * from records", database).to_csv(folder / "data" / "records.csv", index=False)
    path.unlink()
    return entry


def write_sha256(_folder: Path, message: str, entry: Entry) -> Entry:
    return entry | {"sha256": find(r"found ([0-9a-f]{64})", message)}


def leave_sha256_empty(_folder: Path, message: str, entry: Entry) -> Entry:
    assert "leave sha256 empty" in message
    return entry | {"sha256": None}


def name_one_file(folder: Path, message: str, entry: Entry) -> Entry:
    return entry | {"path": f"data/{get_file(folder).name}"}


def rename_column(folder: Path, message: str, entry: Entry) -> Entry:
    path, name = get_file(folder), find(r"have the name (\w+);", message)
    head, text = path.read_text("utf-8").split(name, 1)
    path.write_text(f"{head}{name}_old{text}", "utf-8")
    return entry


def rename_file(folder: Path, message: str, entry: Entry) -> Entry:
    suffix = find(r"data file \((?:\.\w+, )?(\.\w+)", message)
    path = get_file(folder)
    path.rename(path.with_suffix(suffix))
    return entry


def rename_to_utf8(folder: Path, message: str, entry: Entry) -> Entry:
    encoding = find(r"convmv -f (\w+)", message)
    path = get_file(folder)
    path.rename(path.with_name(os.fsencode(path.name).decode(encoding)))
    return entry


def correct_path(folder: Path, message: str, entry: Entry) -> Entry:
    assert str(folder.resolve()) in message  # the folder from which the path counts
    return entry | {"path": "data"}


def save_as_utf8(folder: Path, message: str, entry: Entry) -> Entry:
    """Delete the characters of the line and save the file in UTF-8, as an editor would."""
    path = get_file(folder)
    path.write_text(path.read_bytes().decode("utf-8", "replace"), "utf-8")
    return entry


def keep_one_value(folder: Path, message: str, entry: Entry) -> Entry:
    path, key = get_file(folder), find(r'has the key "(\w+)" twice', message)
    path.write_text(re.sub(rf'"{key}": "[^"]*", (?="{key}")', "", path.read_text("utf-8")), "utf-8")
    return entry


def write_cells_as_text(folder: Path, message: str, entry: Entry) -> Entry:
    path, column = get_file(folder), find(r"column (\w+) holds", message)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns([column]), path)  # "or remove the column"
    return entry


def correct_description(folder: Path, message: str, entry: Entry) -> Entry:
    path, unknown = folder / "data" / "dataset_info.json", find(r": (\w+) is not known", message)
    path.write_text(path.read_text("utf-8").replace(f'"{unknown}"', '"response"'), "utf-8")
    return entry


def make_parquet(rows: list[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def make_sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        pd.DataFrame(ROWS).to_sql("records", database, index=False)
        return database.serialize()


CSV = "instruction,output\n수도는?,서울\nSay hi,Hi\n"
LABELLED = "text,label\n재미있다,1\n지루하다,0\n"
BY_COLUMN = {name: [row[name] for row in ROWS] for name in ROWS[0]}

CASES: dict[str, list[Case]] = {
    "the records are nested under": [
        Case({"a.jsonl": lines([{"ko": row, "n": 1} for row in ROWS])}, write_columns),
        Case({"a.jsonl": lines([{"ko": {**row, "input": "글"}, "en": row} for row in ROWS])}, write_columns),
        Case({"a.json": json.dumps([{"raw": row} for row in ROWS])}, write_columns),
    ],
    "it looks like questions and answers": [
        Case(
            {"a.csv": "번호,문의내용,답변내용\n1,배송은 언제 오나요?,내일 도착합니다.\n2,환불은 되나요?,네 됩니다.\n"},
            run_check_columns,
        )
    ],
    "it looks like texts with labels": [
        Case({"a.csv": "번호,리뷰,평점\n1,배송이 빠르고 좋아요,1\n2,포장이 엉망이에요,0\n"}, run_check_columns)
    ],
    "known formats:": [
        Case({"a.jsonl": lines([{"x": "수도는?", "y": "서울"}, {"x": "색은?", "y": "빨강"}])}, name_found_keys)
    ],
    "item {number} is {type} ({value}), expected an object: {example}; or put": [
        Case({"a.json": json.dumps([list(row.values()) for row in ROWS])}, put_names_first)
    ],
    "line {line} is {type} ({value}), expected an object: {example}; or put": [
        Case({"a.jsonl": lines([list(row.values()) for row in ROWS])}, put_names_first)
    ],
    "{path} holds one row with all values": [
        Case({"a.json": json.dumps([BY_COLUMN])}, run_pandas),
        Case({"a.parquet": make_parquet([BY_COLUMN])}, run_pandas),
    ],
    "{path} holds two lists of records": [
        Case({"a.json": json.dumps({"train": ROWS[:1], "rows": ROWS[1:]})}, write_two_files)
    ],
    "{path}, line {line}, byte {byte}: this is neither UTF-8": [
        Case({"a.csv": b"instruction,output\n" + b"\xff\xfe\xfa\xfb\xff\xff\xff,\xff\xff\xff\xfe\n" * 2}, save_as_utf8)
    ],
    "{path} is a compressed {format} file": [Case({"a.parquet.gz": gzip.compress(make_parquet(ROWS))}, decompress)],
    "decompress it once": [Case({"a.jsonl.gz": gzip.compress(gzip.compress(lines(ROWS).encode()))}, decompress)],
    "export the table as CSV": [Case({"a.csv": make_sqlite()}, export_csv)],
    "its columns are": [
        Case({"a.csv": LABELLED}, name_column, {"format": "table", "table": {**TABLE, "label_column": "gold"}}),
        Case({"a.csv": LABELLED}, name_column, {"format": "table", "table": {**TABLE, "input": "문장"}}),
    ],
    "{path} has no column for {parameter} {{{name}}} (did you mean": [
        Case({"a.csv": LABELLED}, correct_misspelling, {"format": "table", "table": {**TABLE, "input": "{texts}"}})
    ],
    "{path} has no key for": [
        Case(
            {"a.jsonl": lines([{"x": "수도는?", "y": "서울"}, {"x": "색은?", "y": "빨강"}])},
            name_found_keys,
            {"format": "columns", "columns": {"instruction": "q", "output": "a"}},
        )
    ],
    "{path} is not of format": [Case({"a.jsonl": lines(ROWS)}, set_auto, {"format": "sharegpt"})],
    "{path} has another sha256": [
        Case({"a.jsonl": lines(ROWS)}, write_sha256, {"path": "data/a.jsonl", "sha256": "0" * 64})
    ],
    "sha256 checks one file": [
        Case({"a.jsonl": lines(ROWS[:1]), "b.jsonl": lines(ROWS[1:])}, leave_sha256_empty, {"sha256": "0" * 64}),
        Case(
            {"a.jsonl": lines(ROWS), "b.jsonl": lines(ROWS)},
            name_one_file,
            {"sha256": "0" * 64},
            next_message="has another sha256",
        ),
    ],
    "{path}: two columns have the name": [
        Case({"a.csv": "output,instruction,output\nx,수도는?,서울\nx,Say hi,Hi\n"}, rename_column)
    ],
    "{path} was ignored: its name": [Case({"a.bak": lines(ROWS)}, rename_file)],
    "the name of {path} is not UTF-8": [Case({os.fsdecode("자료.jsonl".encode("cp949")): lines(ROWS)}, rename_to_utf8)],
    "{path} does not exist": [Case({"a.jsonl": lines(ROWS)}, correct_path, {"path": "dat"})],
    "{pattern} matches no file, relative": [Case({"a.jsonl": lines(ROWS)}, correct_path, {"path": "data/*.csv"})],
    'an object has the key "{key}" twice': [
        Case({"a.jsonl": '{"output": "x", "output": "y", "instruction": "가"}\n' * 2}, keep_one_value)
    ],
    "row {row}, column {column} holds bytes": [
        Case({"a.parquet": make_parquet([{**row, "raw": b"\xff\xfe"} for row in ROWS])}, write_cells_as_text)
    ],
    "{description}, {name}: {problem} is not known": [
        Case(
            {
                "a.json": json.dumps([{"q": row["instruction"], "r": row["output"]} for row in ROWS]),
                "dataset_info.json": '{"a": {"file_name": "a.json", "columns": {"prompt": "q", "answer": "r"}}}',
            },
            correct_description,
        )
    ],
}
"""Beginning of a message of the catalogue -> sources that give it, and how its advice is followed."""

NETWORK = "needs a server; tests/ingest/fetch covers it"
CONTENT = "the author of the data has to write the content again; no literal action gives it"
ELSEWHERE: dict[str, str] = {
    "{path} is a DVC pointer": "needs a DVC remote; tests/ingest/test_dvc_data.py pulls it",
    "{paths}: tracked by DVC": "needs a DVC remote; tests/ingest/test_dvc_data.py pulls it",
    "{path} is not on this machine": "needs a DVC remote; tests/ingest/test_dvc_data.py pulls it",
    "{path} is a Git LFS pointer": NETWORK,
    "{path} is a web page": NETWORK,
    "{url}": NETWORK,
    "the server asks for credentials": NETWORK,
    "the server cut the cells": NETWORK,
    "the host name is unknown": "no advice",
    "extract its records into JSONL": CONTENT,
    "open it and save it as .xlsx": "needs a spreadsheet program",
    "write it again with pyarrow.feather": "installed versions of pyarrow do not write the first version of Feather",
    "write it again without encryption": "needs the key of the file",
    "write the records as JSONL": CONTENT,
    "name the file with the records": CONTENT,
    "row {row} holds bytes": CONTENT,
    "row {row}, {keys}: a character is truncated": CONTENT,
    "line {line}, column {column}: these bytes": CONTENT,
    "item {number} holds bytes": CONTENT,
    "{path} is an Excel workbook, and truncated": CONTENT,
    "{path} is a compressed Excel workbook": "gunzip; no other tool writes one",
    "{path} is a zip archive": CONTENT,
    "{path}: column {column} has more than": "of `seodang check --column`; tests/cli/test_check_columns.py",
    "{path} expands from": CONTENT,
    "{path} cannot be extracted into": "needs a full disk",
    "{path} holds a table by column with more": "needs more than 512 MB",
    "extract it and name": CONTENT,
    "{path} has rows that cannot be read": CONTENT,
    "{path} holds all values of a column": CONTENT,
    "{path} holds no list": CONTENT,
    "{path} is compressed, and truncated": CONTENT,
    "{path}: this {kind} file is truncated": CONTENT,
    "{path} is not JSON, JSONL": CONTENT,
    "{path} is not UTF-8": CONTENT,
    "{path}, {problem}": CONTENT,
    "{path}, {reason}; none": CONTENT,
    "{path}: item {number} has more than": CONTENT,
    "{path}: the header has more than": CONTENT,
    "{path} is empty": CONTENT,
    "the length of the list is": CONTENT,
    "{path} is neither a regular file": "a device or a socket",
    "{path} is not a regular file": "a device or a socket",
    "{path}: format columns needs the key": "the parameters are refused first; tests/cli/test_check.py follows it",
    "{path}: {description} describes it": "no advice",
    "a list": "no advice",
}
"""Beginning of a message -> why no case follows it here."""
