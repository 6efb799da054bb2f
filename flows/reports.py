"""What a flow run tells people, as text: pure functions from a stage's report to Markdown or table rows.

Headings are Korean and English. What a report lacks shows as "–" and what it has besides is shown under its
own name: a report of an older or newer stage must not break the flow that shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]

_ABSENT = "–"
_LAST_LINES = 10
_HEADINGS = {
    "task": "과제 · task",
    "language": "언어 · language",
    "kind": "종류 · kind",
    "split": "분할 · split",
    "items": "문항 · items",
    "name": "모델 · arm",
    "shots": "예시 · shots",
    "format": "형식 · format",
    "accuracy": "정확도 · accuracy",
    "exact_match": "일치 · exact",
    "chrf": "chrF",
    "loss": "손실 · loss",
    "eos_rate": "종료 · stop rate",
    "against": "비교 대상 · against",
    "tuned": "튜닝 · tuned",
    "base": "베이스 · base",
    "rule": "규칙 · rule",
    "test": "요구 · ask",
    "metric": "지표 · metric",
    "of": "대상 · of",
    "margin": "여유 · margin",
    "candidate": "후보 · candidate",
    "reference": "비교 · reference",
    "p_holm": "보정 p · p (Holm)",
    "required_items": "필요 문항 · items needed",
    "passed": "충족 · met",
    "difference": "차이 · difference",
    "low": "하한 · low",
    "high": "상한 · high",
}
_VERDICTS = {"promote": "승격 · promote", "reject": "거절 · reject", "inconclusive": "판단 보류 · inconclusive"}
_MARKS = {True: "충족 · met", False: "미달 · not met", None: "알 수 없음 · unclear"}
_NOT_NUMBERS = re.compile(r"^(schema|verdict)$|sha256|fingerprint")


def render_data_report(validation: Report, preparation: Report | None, data_docs: Path, data_card: Path) -> str:
    """Return the Markdown of what came in, what was turned away and why, and how the rest was split.

    `prepared` is None as long as `prepare` hasn't run in this flow run. `data_docs` is Great
    Expectations' first page; browsers follow no link from the web to a file, so its path is shown.
    """
    names = (("받음", "rows"), ("통과", "accepted"), ("고침", "repaired"), ("경고", "warned"), ("격리", "quarantined"))
    parts = [
        "# 데이터 보고서 · Data report",
        render_table(
            ("레코드 · records", "수 · count"), [(f"{korean} · {name}", validation.get(name)) for korean, name in names]
        ),
        "## 규칙별 격리 · Quarantined by rule",
        render_table(("규칙 · rule", "수 · count"), (validation.get("by_rule") or {}).items()),
        "## 고친 행과 경고 · Repairs and warnings",
        render_table(
            ("규칙 · rule", "수 · count"),
            [*(validation.get("repairs") or {}).items(), *(validation.get("warnings") or {}).items()],
        ),
        "## 데이터 전체 · The set as a whole",
        render_table(
            ("규칙 · rule", "대상 · of", "값 · value", "기준 · bound"),
            [
                [figure.get(name) for name in ("id", "of", "value", "bound")]
                for figure in validation.get("dataset") or []
            ],
        ),
    ]
    if preparation is not None:
        parts += [
            "## 분할 · Splits",
            _render_splits(preparation),
            "## 데이터 카드 · Data card",
            f"브라우저로 여세요 · Open in a browser:\n\n`{data_card}`",
        ]
    return "\n\n".join([*parts, "## Data Docs", f"브라우저로 여세요 · Open in a browser:\n\n`{data_docs}`"])


def build_score_rows(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the score table, one a task and language, every row with the same columns."""
    rows = report.get("tasks") or []
    return [{_HEADINGS.get(name, name): format_value(row.get(name)) for name in _find_columns(rows)} for row in rows]


def render_score_summary(report: Report) -> str:
    """Return the Markdown above the score table: one line an arm, over the test items of all tasks."""
    return f"**점수 · Scores**\n\n{_render_plain_table(report.get('arms') or [])}"


def render_verdict_report(verdict: Report) -> str:
    """Return the Markdown of the gate's decision, with its reasons and the numbers behind them."""
    reasons = [
        f"- **{_MARKS.get(reason.get('passed'), _ABSENT)}**\n  - {reason.get('ko')}\n  - {reason.get('en')}"
        for reason in _get_reasons(verdict)
    ]
    numbers = {name: value for name, value in verdict.items() if not _NOT_NUMBERS.search(name) and _is_plain(value)}
    return "\n\n".join(
        [
            f"# 판정 · Verdict: {format_verdict(verdict)}",
            "## 이유 · Reasons",
            "\n".join(reasons) or _ABSENT,  # no table: two sentences side by side are cut off
            "## 비교 · Comparisons",
            _render_plain_table(verdict.get("results") or []),
            "## 수치 · Numbers",
            render_table(("이름 · name", "값 · value"), {**numbers, **(verdict.get("numbers") or {})}.items()),
        ]
    )


def format_verdict(verdict: Report) -> str:
    """Return the verdict in both languages."""
    name = str(verdict.get("verdict"))
    return _VERDICTS.get(name, name)


def format_rejection(verdict: Report) -> str:
    """Return the message of a flow run that packaged nothing: what stood in the way, in one paragraph."""
    reasons = [reason for reason in _get_reasons(verdict) if reason.get("passed") is not True]
    details = " ".join(f"{reason.get('ko')} / {reason.get('en')}" for reason in reasons)
    return f"{format_verdict(verdict)}: 패키지를 만들지 않았습니다 · nothing was packaged. {details}".rstrip()


def format_failure(stage: str, lines: Sequence[str]) -> str:
    """Return why a stage failed: the message meant for the user, else the last lines of `dvc repro`.

    DVC's own "failed to reproduce" after a message of ours says nothing more and is left out.
    """
    starts = [number for number, line in enumerate(lines) if line.startswith("seodang: ")]
    message_lines = lines[starts[-1] :] if starts else lines[-_LAST_LINES:]
    relevant_lines = [line for line in message_lines if not (starts and line.startswith("ERROR: failed to reproduce"))]
    return "\n".join([f"단계 {stage} 실패 · stage {stage} failed", *relevant_lines])


def escape_log_line(line: str) -> str:
    """Return a line without "[/": `prefect deployment run --watch` takes that for markup of its own and dies."""
    return line.rstrip().replace("[/", "[ /")


def find_stage_exit_code(lines: Iterable[str]) -> int | None:
    """Return the exit code of the stage's command, which DVC replaces by its own and only prints."""
    codes = re.findall(r"^ERROR: failed to reproduce .*exited with (-?\d+)$", "\n".join(lines), re.MULTILINE)
    return int(codes[-1]) if codes else None


def render_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, or a dash when there are no rows."""
    body = ["| " + " | ".join(_format_cell(value) for value in row) + " |" for row in rows]
    if not body:
        return _ABSENT
    return "\n".join(["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings), *body])


def format_value(value: object) -> str | int:
    """Return a value as people read it: floats with three decimals, two numbers as an interval."""
    match value:
        case None:
            return _ABSENT
        case bool():
            return "예 · yes" if value else "아니요 · no"
        case int():
            return value
        case float():
            return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
        case [int() | float() as low, int() | float() as high]:
            return f"{format_value(low)} … {format_value(high)}"
        case list() | tuple():
            return ", ".join(str(format_value(part)) for part in value) or _ABSENT
        case Mapping():
            return ", ".join(f"{name} {format_value(part)}" for name, part in value.items()) or _ABSENT
        case _:
            return str(value)


def _render_splits(preparation: Report) -> str:
    languages = preparation.get("languages") or {}
    rows = [(name, count, languages.get(name)) for name, count in (preparation.get("splits") or {}).items()]
    left_out = [
        (f"제외 · left out: {name}", count, None)
        for name, count in (preparation.get("left_out") or {}).items()
        if count
    ]
    return render_table(("분할 · split", "수 · count", "언어 · languages"), [*rows, *left_out])


def _render_plain_table(rows: Sequence[Report]) -> str:
    """Return a Markdown table of the plain values of `rows`, a column for each name that occurs."""
    columns = _find_columns(rows)
    return render_table(
        [_HEADINGS.get(name, name) for name in columns], ([row.get(name) for name in columns] for row in rows)
    )


def _find_columns(rows: Sequence[Report]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_plain(value)))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _get_reasons(verdict: Report) -> Sequence[Report]:
    return verdict.get("reasons") or []


def _format_cell(value: object) -> str:
    """Return a cell's text; a bar or a line break of its own would break the table."""
    return str(format_value(value)).replace("|", "\\|").replace("\n", " ")
