"""The Korean of the answers in the summary of `seodang check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seodang.cli.terminal import print_lines, print_table
from seodang.i18n import _

_MAX_FILES = 8  # listed on the terminal


def print_korean(sources: Sequence[Mapping[str, Any]]) -> None:
    """Print the figures of each file with Korean sentences as answers, and examples of what was found.

    Answers that are labels in fact have no sentence, and there is nothing to say about their style.
    """
    sources = [source for source in sources if source["polite"] or source["plain"] or any(source["counts"].values())]
    if not sources:
        return
    print_lines([_("Korean of the answers (docs/korean-quality.md):")])
    for source in sources[:_MAX_FILES]:
        print_lines([_format_source(source)])
        if rows := list(_iter_marks(source)):
            print_table(("", "", ""), rows, right=(0,))
    if len(sources) > _MAX_FILES:
        print_lines([_("  and {count} more (--json lists all)", count=len(sources) - _MAX_FILES)])


def _format_source(source: Mapping[str, Any]) -> str:
    return _(
        "  {file}: measured {measured:,} of {answers:,}, Hangul {hangul:.0%}, polite {polite:.0%}, plain {plain:.0%}",
        file=source["source"],
        measured=source["measured"],
        answers=source["answers"],
        hangul=source["hangul_share"] or 0.0,
        polite=source["polite"] / source["measured"],
        plain=source["plain"] / source["measured"],
    )


def _iter_marks(source: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the kinds that were found with their number, and an example in each row."""
    from seodang.reports.data_card.korean_answers import KINDS

    for kind, label in KINDS.items():
        for index, example in enumerate(source["examples"][kind]):
            expected = f" → {example['expected']}" if example["expected"] else ""
            text = f"{example['excerpt']}{expected} ({example['location']})"
            yield ("", "", text) if index else (f"  {source['counts'][kind]:,}", _(label), text)
