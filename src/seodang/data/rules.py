"""The expectations on instruction records, as data: what is expected, why, and what to do, in Korean and English.

Great Expectations decides by them (expectations.py); nothing else judges a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seodang.data.rows import LABEL_UNKNOWN, ROW_RAGGED, TEXT_MISSING, TEXTS
from seodang.params import ExpectationsParams


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One expectation, under an id that stays the same in reports, quarantine and Data Docs."""

    id: str
    field: str  # field of the record; "record" for all of it, "data" for the whole set
    expectation: str  # class in great_expectations.expectations
    column: str  # column of the frame that expectations.py makes
    arguments: Mapping[str, Any]
    reason_ko: str
    reason_en: str
    fix_ko: str
    fix_en: str


_KOREAN: Final = {"instruction": "지시문", "input": "입력", "output": "답"}
_NOT_TEXT = ("number", "true/false", "list", "object")


def row_rules(expectations: ExpectationsParams) -> list[Rule]:
    """Return the expectations on each row, in the order in which a row's faults are told."""
    limits = expectations.model_dump()
    rules = [rule for field in TEXTS for rule in _text_rules(field)]
    rules += [_too_short("instruction", limits["min_instruction_characters"])]
    rules += [_too_long(field, limits[f"max_{field}_characters"]) for field in TEXTS]
    return [*rules, *_table_rules(), _duplicate()]


def _text_rules(field: str) -> list[Rule]:
    """Return what holds for any text field; an input may be missing or blank, the others may not."""
    rules = [_not_text(field), _broken(field), _oversized(field)]
    return rules if field == "input" else [_missing(field), _blank(field), *rules]


def _missing(field: str) -> Rule:
    return Rule(
        id=f"{field}-missing",
        field=field,
        expectation="ExpectColumnValuesToNotBeNull",
        column=f"{field}_kind",
        arguments={},
        reason_ko=f"{_KOREAN[field]}({field})이 없습니다",
        reason_en=f"{field} is missing",
        fix_ko=f"원본에 {field}을 채우거나 그 행을 지우세요",
        fix_en=f"fill in {field} at the source, or delete the row",
    )


def _blank(field: str) -> Rule:
    return Rule(
        id=f"{field}-blank",
        field=field,
        expectation="ExpectColumnValueLengthsToBeBetween",
        column=field,
        arguments={"min_value": 1},
        reason_ko=f"{_KOREAN[field]}({field})이 비어 있거나 보이지 않는 글자뿐입니다",
        reason_en=f"{field} is blank or has invisible letters only",
        fix_ko=f"원본에 {field}을 채우거나 그 행을 지우세요",
        fix_en=f"fill in {field} at the source, or delete the row",
    )


def _not_text(field: str) -> Rule:
    return _kind(
        f"{field}-not-text",
        field,
        _NOT_TEXT,
        reason_ko=f"{_KOREAN[field]}({field})이 글자가 아니라 숫자, 참/거짓, 목록 또는 객체입니다",
        reason_en=f"{field} is not text but a number, true/false, a list or an object",
        fix_ko="따옴표로 감싼 글자로 바꾸세요",
        fix_en="make it text in quotes",
    )


def _broken(field: str) -> Rule:
    return _kind(
        f"{field}-broken",
        field,
        ("broken",),
        reason_ko=f"{_KOREAN[field]}({field})에 반쪽짜리 글자(짝 없는 서로게이트)가 있습니다",
        reason_en=f"{field} holds half a character (a lone surrogate)",
        fix_ko="잘린 이모지 따위의 \\ud800-\\udfff를 원본에서 고치거나 지우세요",
        fix_en="mend or delete the \\ud800-\\udfff, such as half an emoji, at the source",
    )


def _oversized(field: str) -> Rule:
    return _kind(
        f"{field}-oversized",
        field,
        ("oversized",),
        reason_ko=f"{_KOREAN[field]}({field})이 너무 길어 읽을 때 앞부분만 남겼습니다",
        reason_en=f"{field} is so long that only its head was read",
        fix_ko="원본을 나누거나 params.yaml의 ingest.max_field_characters를 키우세요",
        fix_en="split it at the source, or raise ingest.max_field_characters in params.yaml",
    )


def _kind(id: str, field: str, kinds: tuple[str, ...], **texts: str) -> Rule:
    return Rule(id=id, field=field, expectation="ExpectColumnValuesToNotBeInSet", column=f"{field}_kind", arguments={"value_set": list(kinds)}, **texts)


def _too_short(field: str, limit: int) -> Rule:
    return Rule(
        id=f"{field}-too-short",
        field=field,
        expectation="ExpectColumnValuesToBeBetween",
        column=f"{field}_characters",
        arguments={"min_value": limit},
        reason_ko=f"{_KOREAN[field]}({field})이 {limit:,}자보다 짧습니다",
        reason_en=f"{field} is shorter than {limit:,} characters",
        fix_ko=f"무엇을 하라는지 적거나 params.yaml의 expectations.min_{field}_characters를 낮추세요",
        fix_en=f"say what is asked, or lower expectations.min_{field}_characters in params.yaml",
    )


def _too_long(field: str, limit: int) -> Rule:
    return Rule(
        id=f"{field}-too-long",
        field=field,
        expectation="ExpectColumnValuesToBeBetween",
        column=f"{field}_characters",
        arguments={"max_value": limit},
        reason_ko=f"{_KOREAN[field]}({field})이 {limit:,}자보다 깁니다",
        reason_en=f"{field} is longer than {limit:,} characters",
        fix_ko=f"원본을 줄이거나 params.yaml의 expectations.max_{field}_characters를 키우세요",
        fix_en=f"shorten it at the source, or raise expectations.max_{field}_characters in params.yaml",
    )


def _table_rules() -> list[Rule]:
    return [
        _kind(
            LABEL_UNKNOWN,
            "output",
            (LABEL_UNKNOWN,),
            reason_ko="라벨 칸의 값이 params.yaml의 table.labels에 없습니다",
            reason_en="the label cell is not among table.labels in params.yaml",
            fix_ko="그 값을 table.labels에 더하거나 원본의 라벨을 고치세요",
            fix_en="add the value to table.labels, or correct the label at the source",
        ),
        _kind(
            TEXT_MISSING,
            "input",
            (TEXT_MISSING,),
            reason_ko="표의 본문 칸이 비어 있습니다",
            reason_en="the table's text cell is empty",
            fix_ko="원본에 본문을 채우거나 그 행을 지우세요",
            fix_en="fill in the text at the source, or delete the row",
        ),
        _kind(
            ROW_RAGGED,
            "output",
            (ROW_RAGGED,),
            reason_ko="칸이 머리줄보다 많은 행입니다",
            reason_en="the row has more cells than the header",
            fix_ko="쉼표가 든 칸은 따옴표로 감싸고, 탭이 든 칸에서는 탭을 지우세요",
            fix_en="quote the cell that holds a comma; take the tab out of a cell that holds one",
        ),
    ]


def _duplicate() -> Rule:
    return Rule(
        id="duplicate",
        field="record",
        expectation="ExpectColumnValuesToBeInSet",
        column="same_as",
        arguments={"value_set": [""]},
        reason_ko="앞선 행과 지시문, 입력, 답이 모두 같습니다",
        reason_en="instruction, input and output are those of an earlier row",
        fix_ko="할 일이 없습니다. 앞선 행만 씁니다",
        fix_en="nothing to do: the earlier row is used",
    )


def data_rules(expectations: ExpectationsParams) -> list[Rule]:
    """Return the expectations on the whole set; one that fails stops the run."""
    share, accepted = expectations.max_quarantined_share, expectations.min_accepted
    return [
        Rule(
            id="quarantined-share",
            field="data",
            expectation="ExpectColumnMeanToBeBetween",
            column="quarantined",
            arguments={"max_value": share},
            reason_ko=f"격리된 행의 비율이 {share:.1%}를 넘습니다",
            reason_en=f"more than {share:.1%} of the rows are quarantined",
            fix_ko="격리된 행을 고치거나 params.yaml의 expectations.max_quarantined_share를 키우세요",
            fix_en="mend the quarantined rows, or raise expectations.max_quarantined_share in params.yaml",
        ),
        Rule(
            id="accepted-count",
            field="data",
            expectation="ExpectColumnSumToBeBetween",
            column="accepted",
            arguments={"min_value": accepted},
            reason_ko=f"받아들인 행이 {accepted:,}개보다 적습니다",
            reason_en=f"fewer than {accepted:,} rows are accepted",
            fix_ko="데이터를 더하거나 params.yaml의 expectations.min_accepted를 낮추세요",
            fix_en="add data, or lower expectations.min_accepted in params.yaml",
        ),
    ]
