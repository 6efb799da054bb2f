"""Write the table of docs/licences.md and docs/licences.ko.md from the licence terms of the package.

A test fails when the pages are behind: python tools/write_licence_table.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from seodang.i18n import Language, translate
from seodang.licences.table import USES, Licence, Uses, read_table
from seodang.licences.texts import STATUS_LABELS, describe_condition

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES: dict[Language, Path] = {"en": DOCS / "licences.md", "ko": DOCS / "licences.ko.md"}
HEADINGS: dict[Language, str] = {
    "en": "| licence | commercial | non-commercial | research | training others on its answers | name begins with | document |",
    "ko": "| 라이선스 | 상업적 | 비상업적 | 연구 | 그 답으로 다른 모델 학습 | 이름의 시작 | 문서 |",
}
EXCERPTS: dict[Language, str] = {"en": "in excerpts", "ko": "일부만 읽음"}
_BLOCK = re.compile(r"(?<=<!-- licence table -->\n).*?(?=<!-- end of licence table -->)", re.DOTALL)


def render_table(language: Language) -> str:
    """Return the table as Markdown, with a line for each condition below it."""
    rows = [HEADINGS[language], "|---|---|---|---|---|---|---|"]
    rows += [_render_row(licence, language) for licence in read_table()]
    return "\n".join([*rows, "", *_render_conditions(language), ""])


def write_page(text: str, language: Language) -> str:
    """Return a page with the current table."""
    return _BLOCK.sub(lambda _match: render_table(language), text)


def _render_row(licence: Licence, language: Language) -> str:
    document = licence.document
    version = f", {document.version}" if document.version else ""
    read = "" if document.read == "full" else f" ({EXCERPTS[language]})"
    cells = [
        licence.name,
        *(_render_rule(licence.uses, use, language) for use in USES),
        _render_rule(licence.outputs, "commercial", language),
        licence.name_prefix.text if licence.name_prefix else "",
        f"[{document.title}]({document.url}){version}{read}",
    ]
    return f"| {' | '.join(cells)} |"


def _render_rule(uses: Uses | None, use: str, language: Language) -> str:
    rule = uses.get(use) if uses else None  # type: ignore[arg-type]
    if rule is None:
        return "–"
    return f"{translate(language, STATUS_LABELS[rule.status])} ({rule.section})"


def _render_conditions(language: Language) -> list[str]:
    lines = []
    for licence in read_table():
        rules = [rule for uses in (licence.uses, licence.outputs) if uses for use in USES if (rule := uses.get(use))]
        conditions = dict.fromkeys(condition for rule in rules for condition in rule.conditions)
        if conditions:
            texts = [describe_condition(condition, licence).translate(language) for condition in conditions]
            lines.append(f"- {licence.name}: {'; '.join(texts)}")
    return lines


def main() -> int:
    """Rewrite the tables in place."""
    for language, page in PAGES.items():
        page.write_text(write_page(page.read_text("utf-8"), language), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
