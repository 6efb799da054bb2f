"""Any bytes give rows or a message, never a traceback or a lost row; valid files are read completely."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from seodang.cli.main import main
from seodang.errors import SourceError
from seodang.ingest.readers.csv import unwrap_cell
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import get_malformed_reason, is_malformed

SUFFIXES = ["json", "jsonl", "ndjson", "csv", "tsv", "txt", "parquet", "arrow", "json.gz", "csv.zst", "dat"]
ANY = settings(
    max_examples=100,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RECORDS = [
    {"instruction": "요약해 줘.", "input": "긴 글, 🙂", "output": 'He said "no".'},
    {"instruction": "Name a day.", "input": "", "output": "Monday"},
]


def read(path, content):
    path.write_bytes(content)
    return list(read_objects(path, path.name))


def as_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def as_csv(records, **dialect):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), **dialect)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def as_tsv(records):
    return "\n".join(
        "\t".join(cells) for cells in [list(records[0]), *(record.values() for record in records)]
    ).encode()


def as_parquet(records):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(records), sink)
    return sink.getvalue().to_pybytes()


def as_arrow(records, begin=pa.ipc.new_file):
    table = pa.Table.from_pylist(records)
    sink = pa.BufferOutputStream()
    with begin(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


COMPLETE = [
    json.dumps(RECORDS, ensure_ascii=False).encode(),
    json.dumps({"version": 1, "data": RECORDS}, indent=1).encode(),
    as_lines(RECORDS),
    as_csv(RECORDS),
    as_csv(RECORDS, delimiter=";", quoting=csv.QUOTE_ALL),
    as_tsv(RECORDS),
    as_parquet(RECORDS),
    as_arrow(RECORDS),
    as_arrow(RECORDS, pa.ipc.new_stream),
    gzip.compress(as_lines(RECORDS)),
    pa.Codec("zstd").compress(as_lines(RECORDS), asbytes=True),
    as_csv(RECORDS).decode().encode("utf-16"),
]
BEGINNINGS = [
    b"",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PAR1",
    b"ARROW1\0\0",
    b"\xff\xff\xff\xff",
    b"PK\x03\x04",
    b"\xff\xfe",
    b"[",
    b"{",
    b'{"data": [',
    b"a,b\n",
    b"a\tb\n",
    b"sep=",
]


@st.composite
def damaged(draw):
    """A valid file with a few bytes flipped, deleted or inserted."""
    content = bytearray(draw(st.sampled_from(COMPLETE)))
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["flip", "cut", "end", "insert"])):
            case "flip":
                content[position : position + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del content[position : position + draw(st.integers(1, 20))]
            case "end":
                del content[position:]
            case "insert":
                content[position:position] = draw(
                    st.one_of(
                        st.binary(max_size=8),
                        st.sampled_from([b'"', b"\n", b"\0" * 4, b"[", b"}", b'"\n"', b"\xea\xb0"]),
                    )
                )
    return bytes(content)


CONTENT = st.one_of(
    damaged(),
    st.builds(bytes.__add__, st.sampled_from(BEGINNINGS), st.binary(max_size=200)),
    st.text(alphabet='[]{}":,;\t\n\r가a1\ufeff\\u0 \0-e.', max_size=80).map(str.encode),
    st.builds(bytes.__add__, st.sampled_from(BEGINNINGS), st.text(alphabet='"\n,\t가a', max_size=60).map(str.encode)),
    st.binary(max_size=60).map(gzip.compress),
)


@settings(ANY, max_examples=400)
@given(content=CONTENT, suffix=st.sampled_from(SUFFIXES))
@example(content=b"\x1c", suffix="txt")
def test_any_bytes_end_in_objects_or_in_a_message(tmp_path, content, suffix):
    found, message = [], ""
    try:
        found = read(tmp_path / f"a.{suffix}", content)
    except SourceError as error:
        message = str(error)
    assert not message or (message.startswith(f"a.{suffix}") and len(message) > 20)
    assert all(isinstance(each, dict) for each in found)
    assert json.dumps([str(get_malformed_reason(each)) if is_malformed(each) else each for each in found])


@pytest.mark.slow
@settings(ANY, max_examples=12, deadline=None)
@given(content=CONTENT, suffix=st.sampled_from(SUFFIXES))
def test_any_bytes_given_to_check_end_in_exit_0_1_or_2_and_lose_no_row(tmp_path, monkeypatch, capfd, content, suffix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"a.{suffix}").write_bytes(content)
    code = main(["check", f"a.{suffix}", "--json"])
    out, err = capfd.readouterr()
    assert code in {0, 1, 2}
    assert "Traceback" not in out + err
    if code == 2:
        assert f"a.{suffix}" in err
    else:
        summary = json.loads(out)
        assert summary["accepted"] + summary["quarantined"] == summary["rows"] > 0


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('가힣ㅋ"\\\n,;\u2028\x85\ufeff🙂'), max_size=20
)
CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('가힣"\n\r,;\u2028\x85'),
    max_size=20,
)
TSV_CELL = CELL.map(lambda text: text.translate(dict.fromkeys(map(ord, "\t\n\r")))).filter(
    lambda text: unwrap_cell(text) == text
)
NAMES = st.lists(st.text("가나다abc", min_size=1, max_size=4), min_size=2, max_size=4, unique=True)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)
# One object with several objects as values is a data set by id, not a record.
OBJECTS = st.lists(
    st.dictionaries(TEXT, VALUE, max_size=4).filter(
        lambda record: sum(isinstance(value, dict) and bool(value) for value in record.values()) < 2
    ),
    max_size=5,
)


def tables_of(cell):
    return NAMES.flatmap(
        lambda names: st.lists(
            st.tuples(*[cell] * len(names)).map(lambda cells: dict(zip(names, cells, strict=True))),
            min_size=1,
            max_size=6,
        )
    )


@ANY
@given(objects=OBJECTS, ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_json_and_jsonl_give_the_objects_that_were_written(tmp_path, objects, ascii, indent):
    text = json.dumps(objects, ensure_ascii=ascii, indent=indent)
    assert read(tmp_path / "a.json", text.encode()) == objects
    assert (
        read(tmp_path / "a.json", json.dumps({"n": 1, "data": objects}, ensure_ascii=ascii, indent=indent).encode())
        == objects
    )
    lines = "".join(json.dumps(each, ensure_ascii=ascii) + "\n" for each in objects)
    assert read(tmp_path / "a.jsonl", lines.encode()) == objects
    assert read(tmp_path / "a.jsonl.gz", gzip.compress(lines.encode())) == objects


@ANY
@given(records=tables_of(CELL), dialect=st.sampled_from([{}, {"quoting": csv.QUOTE_ALL}, {"delimiter": ";"}]))
def test_csv_gives_the_cells_that_were_written(tmp_path, records, dialect):
    assert read(tmp_path / "a.csv", as_csv(records, **dialect)) == records


@ANY
@given(records=tables_of(TSV_CELL))
def test_tsv_gives_the_cells_that_were_written(tmp_path, records):
    assume(any(records[-1].values()) or len(records) > 1)
    assert read(tmp_path / "a.tsv", as_tsv(records)) == records


@ANY
@given(
    records=tables_of(TEXT | st.none()),
    begin=st.sampled_from([as_parquet, as_arrow, lambda records: as_arrow(records, pa.ipc.new_stream)]),
)
def test_parquet_and_arrow_give_the_cells_that_were_written(tmp_path, records, begin):
    assert read(tmp_path / "a.parquet", begin(records)) == records
