"""The card as a page and as Markdown. Every text of the data is escaped by the environment, not by the templates."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.html import create_environment, escape_markdown
from seodang.ingest.rows import TEXTS
from seodang.licences import find_hub_licence
from seodang.preparation.splitting import SPLITS
from seodang.reports.data_card import layout
from seodang.reports.data_card.contents import Contents
from seodang.reports.data_card.funnel import LEFT_OUT
from seodang.reports.data_card.redaction import format_head

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
NAMES: Final = {
    "train": ("학습", "train"),
    "validation": ("검증", "validation"),
    "test": ("시험", "test"),
    "unseen": ("안 배운 과제", "unseen tasks"),
    "exact_duplicate": ("똑같은 중복", "exact duplicates"),
    "near_duplicate": ("비슷한 중복", "near duplicates"),
    "leak": ("누출", "leaks"),
    "undesirable": ("나쁜 답", "undesirable"),
    "weight": ("가중치", "weight"),
    "cap": ("상한", "cap"),
    "replay": ("복습 비율", "replay"),
    "instruction": ("지시문", "instruction"),
    "input": ("입력", "input"),
    "output": ("답", "output"),
    "ko": ("한국어", "Korean"),
    "en": ("영어", "English"),
    "exact": ("똑같음", "exact"),
    "near": ("비슷함", "near"),
    "ngram": ("n-그램", "n-gram"),
    "minhash": ("MinHash", "MinHash"),
}


def render_page(contents: Contents) -> str:
    """Return the card as one HTML page that needs nothing else: no script, no font, no network."""
    return _create_html_environment().get_template("card.html.j2").render(_build_context(contents))


def render_figures(contents: Contents) -> dict[str, str]:
    """Return the figures that the Markdown shows: file name -> SVG."""
    template = _create_html_environment().get_template("figure.svg.j2")
    figures = {"funnel.svg": template.render(_build_context(contents), what="funnel", figure=None)}
    for figure in contents.roots:
        figures[f"verbs-{figure.language}.svg"] = template.render(_build_context(contents), what="verbs", figure=figure)
    return figures


def render_markdown(contents: Contents) -> str:
    """Return the card as Markdown under the front matter of a Hugging Face dataset card."""
    return _create_markdown_environment().get_template("README.md.j2").render(_build_context(contents))


def _build_context(contents: Contents) -> dict[str, Any]:
    return {
        "card": contents,
        "names": NAMES,
        "splits": SPLITS,
        "left_out": LEFT_OUT,
        "texts": TEXTS,
        "sunburst": layout.build_sunburst,
        "shares": layout.compute_pieces,
        "centre": layout.CENTRE,
        "fates": _count_statuses(contents),
        "front": _build_front_matter(contents),
    }


def _count_statuses(contents: Contents) -> list[tuple[str, list[int]]]:
    """Return for each source how many of its rows ended where, in the order of the legend."""
    return [
        (
            flow.name,
            [
                flow.distinct_train,
                flow.held_out,
                flow.duplicates,
                flow.left_out["leak"],
                flow.mixed_out,
                max(0, flow.written - flow.accepted),
                max(0, flow.read - flow.written),
            ],
        )
        for flow in contents.flows
    ]


def _build_front_matter(contents: Contents) -> dict[str, Any]:
    """Return licence, languages, task categories and size as the Hugging Face Hub names them."""
    records = sum(contents.all.splits.values())
    languages = {language for counts in contents.languages.values() for language in counts}
    return {
        "license": sorted({find_hub_licence(source.licence) for source in contents.sources}),
        "language": [language for language in ("ko", "en") if language in languages],
        "task_categories": ["text-generation", *(["text-classification"] if contents.balances else [])],
        "size_categories": next((name for bound, name in _SIZES if records < bound), "100M<n<1B"),
    }


@cache
def _create_html_environment() -> Environment:
    return _create_environment(autoescape=True)


@cache
def _create_markdown_environment() -> Environment:
    markdown = _create_environment(autoescape=False)
    markdown.finalize = lambda value: escape_markdown(value) if type(value) is str else value
    return markdown


def _create_environment(*, autoescape: bool) -> Environment:
    result = create_environment(_TEMPLATES, autoescape=autoescape)
    result.filters["head"] = format_head
    return result
