"""What a run has come to, for a terminal: verdict, scores, bento, and what to type next."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from seodang.gate.messages import MARKS, VERDICTS
from seodang.io.jsonl import read_json
from seodang.paths import Paths


def print_summary(paths: Paths) -> None:
    """Print the verdict with its numbers, the bento's tag, and the next three things to type."""
    print(
        "\n".join([*_format_times(paths), *_format_scores(paths), *_format_verdict(paths), *_format_next_steps(paths)])
    )


def read_timings(paths: Paths) -> list[dict[str, Any]]:
    """Return what each stage cost when it last ran, in the order of the runs."""
    if not paths.timings.exists():
        return []
    rows = [json.loads(line) for line in paths.timings.read_text("utf-8").splitlines()]
    return list({row["stage"]: row for row in rows}.values())


def _format_times(paths: Paths) -> list[str]:
    rows = read_timings(paths)
    if not rows:
        return []
    lines = ["", _format_columns(("단계 / stage", "wall s", "CPU s", "peak MB"))]
    lines += [
        _format_columns(
            (row["stage"], f"{row['seconds']:.1f}", f"{row['cpu_seconds']:.1f}", str(row["peak_memory_mb"]))
        )
        for row in rows
    ]
    totals = (
        sum(row["seconds"] for row in rows),
        sum(row["cpu_seconds"] for row in rows),
        max(row["peak_memory_mb"] for row in rows),
    )
    return [*lines, _format_columns(("합계 / all", f"{totals[0]:.1f}", f"{totals[1]:.1f}", str(totals[2])))]


def _format_columns(cells: tuple[str, ...]) -> str:
    first, *rest = cells
    return _pad(first, 20) + "".join(f"{cell:>10}" for cell in rest)


def _pad(text: str, width: int) -> str:
    """Return `text` filled up to `width` terminal columns; a Hangul syllable takes two."""
    columns = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * max(0, width - columns)


def _format_scores(paths: Paths) -> list[str]:
    report = read_json(paths.evaluate_report)
    lines = [
        "",
        _pad("모델 / arm", 32)
        + "".join(f"{name:>10}" for name in ("accuracy", "exact_match", "chrF", "loss", "items")),
    ]
    best = set(report["best"].values())
    base_variants = [arm for arm in report["variants"] if arm["name"].partition("/")[0] in report["best"]]
    for variant in report["variants"]:
        if variant in base_variants and variant["name"] not in best:
            continue  # the base is judged by its best prompts
        cells = [
            "-" if variant[name] is None else f"{variant[name]:.3f}"
            for name in ("accuracy", "exact_match", "chrf", "loss")
        ]
        lines.append(
            _pad(f"{variant['name']} ({variant['shots']} shots)", 32)
            + "".join(f"{cell:>10}" for cell in (*cells, str(variant["items"])))
        )
    return [*lines, f"베이스의 프롬프트 / prompts of the base: {len(base_variants)}"]


def _format_verdict(paths: Paths) -> list[str]:
    verdict = read_json(paths.verdict)
    lines = ["", f"판정 / verdict: {VERDICTS[verdict['verdict']]}"]
    for reason in verdict["reasons"]:
        lines += [f"  {MARKS[reason['passed']]} {reason['ko']}", f"      {reason['en']}"]
    return lines


def _format_next_steps(paths: Paths) -> list[str]:
    if read_json(paths.verdict)["verdict"] != "promote":
        return [
            "",
            "아무것도 패키징하지 않았습니다 / nothing was packaged. 다음 / next:",
            f"  report: {paths.evaluation_page.relative_to(paths.root)}/index.html",
            "  $EDITOR params.yaml && make run",
            "  dvc metrics show",
        ]
    package = read_json(paths.package_report)
    return [
        "",
        f"bento: {package['bento_tag']}",
        f"report: {paths.evaluation_page.relative_to(paths.root)}/index.html",
        f"data card: {paths.data_card.relative_to(paths.root)}/index.html",
        f"data docs: {paths.data_docs.relative_to(paths.root)}/index.html",
        "",
        "다음 / next (. .venv/bin/activate):",
        "  make serve",
        """  curl -s localhost:3000/generate -H 'Content-Type: application/json' -d '{"instruction": "다음 영화 감상의 감정을 분석하세요.", "input": "이 영화는 너무 지루해"}'""",
        "  git add dvc.lock params.yaml && git commit -m '...' && seodang registry promote   # champion; back: seodang registry rollback --message '...'",
        "  make flows   # Prefect: prefect deployment run 'instruction-tuning/local' --watch",
    ]
