"""Records with constraints, and the records that may get some."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.validation.checks import rows

from seodang.config.load import load_params
from seodang.constraints.build import add_constraints, load_phrasings
from seodang.constraints.candidates import constrain_records, read_candidates
from seodang.evaluation.ifeval.checking import check_instructions
from seodang.preparation.splitting import TRAIN, assign_splits, compute_positions, hash_group
from seodang.validation.checks.registry import REPAIRERS
from seodang.validation.checks.repair import repair

ROWS = [
    {
        "instruction": f"{thing}의 쓰임을 설명하세요.",
        "input": "",
        "output": f"{thing}은 쓸모가 많습니다. 집마다 {thing}이 있습니다.",
    }
    for thing in ("가위", "바늘", "못", "빗자루", "양동이", "사다리", "삽", "톱", "망치", "저울", "실", "풀")
]


@pytest.fixture
def prepare():
    return load_params(Path("params.yaml")).prepare


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("phrasing", [it for texts in load_phrasings()["startend:quotation"].values() for it in texts])
def test_the_quotes_that_a_constraint_requests_are_no_stray_ones(phrasing):
    quoted = rows.row(instruction=f"3월에 피는 꽃은 무엇인가요? {phrasing}", output='"개나리입니다."')
    repaired, _ = repair(quoted, set(REPAIRERS), load_params(Path("params.yaml")).expectations.limits)
    assert repaired["output"] == '"개나리입니다."'


def test_a_record_follows_its_constraints_and_is_the_same_each_time():
    for number, row in enumerate(ROWS):
        record = add_constraints(**row, language="ko", other_words=("사과",), seed=number)
        assert record == add_constraints(**row, language="ko", other_words=("사과",), seed=number)
        assert all(check_instructions(record.ids, record.arguments, record.output).strict)
        assert 1 <= len(record.ids) == len(set(record.ids)) <= 3
        assert row["instruction"] in record.instruction
        assert record.instruction != row["instruction"]
        assert record.to_dict()["kwargs"] == [dict(arguments) for arguments in record.arguments]


def test_records_that_are_held_out_get_no_constraints(tmp_path, prepare):
    prepare = prepare.model_copy(update={"test_ratio": 0.4, "validation_ratio": 0.2})
    candidates = read_candidates([write(tmp_path / "a.jsonl", ROWS)], "auto", prepare, 1)
    assert 0 < len(candidates) < len(ROWS)
    positions = compute_positions(np.array([hash_group(prepare.seed, record) for record in candidates], np.uint64))
    assert set(assign_splits(np.zeros(len(candidates), np.uint8), positions, prepare)) == {TRAIN}


@pytest.mark.parametrize(
    "change",
    [
        {"output": "없음"},
        {"output": "끝나지 않는 문장이고 마침표도 없다"},
        {"output": "길다. " * 100},
        {"output": "표 | 하나입니다."},
        {"output": "An English answer to a Korean question."},
        {"instruction": "설명하세요. " * 20},
        {"output": None},
    ],
)
def test_records_that_do_not_suit_are_left_out(tmp_path, prepare, change):
    prepare = prepare.model_copy(update={"test_ratio": 0.0, "validation_ratio": 0.0})
    rows = [ROWS[0] | change, *ROWS[1:]]
    assert len(read_candidates([write(tmp_path / "a.jsonl", rows)], "auto", prepare, 1)) == len(ROWS) - 1


def test_the_number_of_records_is_limited(tmp_path, prepare):
    prepare = prepare.model_copy(update={"test_ratio": 0.0, "validation_ratio": 0.0})
    candidates = read_candidates([write(tmp_path / "a.jsonl", ROWS)], "auto", prepare, 1)
    assert len(constrain_records(candidates, 5, 1)) == 5
    assert [record.output for record in constrain_records(candidates, 5, 1)] != [
        record.output for record in candidates[:5]
    ]
