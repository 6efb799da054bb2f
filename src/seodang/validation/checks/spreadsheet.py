"""Find what a spreadsheet wrote instead of a value: error cells, and long numbers rounded to a power of ten."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.row_view import Check, Finding, View, create_finding
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="spreadsheet-error",
        field="record",
        reason=Message(
            "the text contains an error of a spreadsheet instead of a value (#REF!, #N/A, #DIV/0! and the like), or a formula"
        ),
        fix=Message("correct the formula in the spreadsheet and export it again, or delete the row"),
    ),
    Rule(
        id="rounded-number",
        field="record",
        reason=Message("the text contains a long number that a spreadsheet rounded (1.23457E+15)"),
        fix=Message("format the column as text in the spreadsheet, enter the digits again, and export it again"),
    ),
)

_NAMED: Final = (
    r"#(?:REF!|N/A(?: N/A)?|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|ERROR!|GETTING_DATA"
    r"|BUSY!|UNKNOWN!|EXTERNAL!|PYTHON!|이름\?|값!|참조!|숫자!|널!|분산!|분할!|계산!|0으로 나눔!)"
)
_ERROR: Final = re.compile(rf"(?<![\w#]){_NAMED}(?![A-Za-z0-9])")
_ERROR_CELL: Final = re.compile(rf"\s*(?:{_NAMED}|#{{5,}}|Err:5\d\d)\s*", re.IGNORECASE)
# A formula that was exported in place of its value.
_FORMULA: Final = re.compile(
    r"\s*(?:[=@][A-Z][A-Z0-9.]{1,20}\(.*\)|=\+?\$?[A-Z]{1,3}\$?\d{1,7}(?:[-+*/&:,]\$?[A-Z0-9$!.]+)*)\s*", re.DOTALL
)
_ROUNDED: Final = re.compile(
    r"(?<![A-Za-z0-9_.])[1-9](?:[.,]\d{1,14}(?:E\+(?:09|1[0-9])|e\+1[1-9])|E\+1[1-9])(?![A-Za-z0-9_])"
)
_EXPONENT: Final = re.compile(r"\d[Ee]\+(?:09|1)")
_SPREADSHEET_TASK: Final = re.compile(
    r"excel|spreadsheet|google sheets?|libreoffice|calc\b|\bcells?\b|formula|vlookup|#(?:ref|n/a|name|value|div)"
    r"|엑셀|스프레드시트|시트|수식|셀(?![가-힣]{2})|함수"
)
_CELL_TASK: Final = re.compile(r"\b[a-z]{1,2}[1-9]\d{0,3}(?![a-z0-9])|\bcolumns?\b|\brows?\b|열|행|합계|평균")
_SCIENCE_TASK: Final = re.compile(
    r"scientific|notation|physics|chemistry|constant|exponent|power of|avogadro|planck|light[- ]year|mass of|distance"
    r"|과학|지수|표기|물리|화학|상수|거듭제곱|광년|질량|아보가드로"
)


def find_error(view: View) -> Finding | None:
    """Return an error cell, or an error inside a text, unless the record is about spreadsheets.

    An input that is only #N/A means that there is no input, which `placeholder-input` reports.
    """
    if (
        "#" not in view.full_text
        and "Err:5" not in view.full_text
        and "=" not in view.full_text
        and "@" not in view.full_text
    ):
        return None
    for field, text in view.texts:
        is_cell = _ERROR_CELL.fullmatch(text) is not None or (
            _FORMULA.fullmatch(text) is not None and not view.is_technical and not _wants_formula(view, text)
        )
        if field == "input" and text.strip().upper() == "#N/A":
            continue
        if is_cell and not (field == "output" and _SPREADSHEET_TASK.search(view.task_text)):
            return create_finding(field, text, 0)
        match = None if is_cell else _ERROR.search(text)
        if match and not view.is_technical and not _is_about_spreadsheets(view):
            return create_finding(field, text, match.start())
    return None


def _wants_formula(view: View, formula: str) -> bool:
    """Return whether the other texts mention spreadsheets, or cells such as A1."""
    others = view.full_text.replace(formula, "").lower()[:4000]
    return _SPREADSHEET_TASK.search(others) is not None or _CELL_TASK.search(others) is not None


def _is_about_spreadsheets(view: View) -> bool:
    """Return whether the texts mention spreadsheets, apart from the error itself."""
    return _SPREADSHEET_TASK.search(_ERROR.sub("", view.full_text[:4000]).lower()) is not None


def find_rounded_number(view: View) -> Finding | None:
    """Return a number of 12 to 20 digits that is written with an exponent, outside science and code."""
    if (
        _EXPONENT.search(view.full_text) is None
        or view.is_technical
        or _SCIENCE_TASK.search(view.full_text.lower()[:4000])
    ):
        return None
    for field, text in view.texts:
        if match := _ROUNDED.search(text):
            return create_finding(field, text, match.start())
    return None


CHECKS: Final[dict[str, Check]] = {"spreadsheet-error": find_error, "rounded-number": find_rounded_number}
