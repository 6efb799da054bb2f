"""Render the data card as a page and as Markdown. The environments, not the templates, escape all texts of the data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.html import create_environment, create_markdown_functions, escape_markdown, translate_markdown
from seodang.i18n import LANGUAGES, N_, Language, get_language
from seodang.ingest.rows import TEXTS
from seodang.licences import find_hub_licence
from seodang.licences.table import USES
from seodang.licences.texts import STATUS_LABELS, USE_LABELS
from seodang.preparation.splitting import SPLITS
from seodang.reports.data_card import layout
from seodang.reports.data_card.contents import Contents
from seodang.reports.data_card.funnel import LEFT_OUT, LEFT_OUT_LABELS
from seodang.reports.data_card.korean_answers import KINDS, MAX_ANSWERS
from seodang.reports.data_card.redaction import Text, format_head

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
_FUNNEL_FILES: Final[dict[Language, str]] = {"en": "funnel.svg", "ko": "funnel-ko.svg"}
_NAMES: Final = {
    "train": N_("train"),
    "validation": N_("validation"),
    "test": N_("test"),
    "unseen": N_("unseen tasks"),
    **LEFT_OUT_LABELS,
    "instruction": N_("instruction"),
    "input": N_("input"),
    "output": N_("output"),
    "ko": N_("Korean"),
    "en": N_("English"),
    "exact": N_("exact"),
    "near": N_("near"),
    "ngram": N_("n-gram"),
    "minhash": N_("MinHash"),
    "quote": N_("question quoted in an answer"),
    "answer": N_("gold answer under another question"),
    "reworded": N_("reworded copy"),
}
_OUTCOME_NAMES: Final = (
    N_("train"),
    N_("held out for evaluation"),
    N_("duplicates"),
    N_("leaks"),
    N_("left out by mixing"),
    N_("quarantined"),
    N_("not ingested"),
)


def render_page(contents: Contents) -> str:
    """Return the card as one HTML page that needs no scripts, fonts or network access."""
    return _create_html_environment().get_template("card.html.j2").render(_build_context(contents))


def render_figures(contents: Contents) -> dict[str, str]:
    """Return the figures of the Markdown file by file name, as SVG; the funnel once in each language."""
    template, context = _create_html_environment().get_template("figure.svg.j2"), _build_context(contents)
    figures = {
        file: template.render(context, kind="funnel", figure=None, language=language)
        for language, file in _FUNNEL_FILES.items()
    }
    for figure in contents.roots:
        figures[f"verbs-{figure.language}.svg"] = template.render(context, kind="verbs", figure=figure, language="en")
    return figures


def render_markdown(contents: Contents) -> str:
    """Return the card as Markdown: the front matter of a Hugging Face dataset card, an English and a Korean part."""
    context, environment = _build_context(contents), _create_markdown_environment()
    front_matter = environment.get_template("front_matter.md.j2").render(context)
    template = environment.get_template("README.md.j2")
    parts = [template.render(context, **_build_language_context(language)) for language in LANGUAGES]
    return "\n".join([front_matter, *parts])


def _build_language_context(language: Language) -> dict[str, Any]:
    def show(value: Text) -> str:
        """Return a text of the data as it is, for the environment to escape, and a message in the part's language."""
        return value if isinstance(value, str) else translate_markdown(language, value)

    return {"language": language, **create_markdown_functions(language), "show": show}


def _build_context(contents: Contents) -> dict[str, Any]:
    return {
        "card": contents,
        "page_language": get_language(),
        "names": _NAMES,
        "splits": SPLITS,
        # A column of zeros tells nothing, and all of them together are wider than a page.
        "left_out": [name for name in LEFT_OUT if contents.all.left_out[name]],
        "texts": TEXTS,
        "sunburst": layout.build_sunburst,
        "shares": layout.compute_pieces,
        "centre": layout.CENTRE,
        "outcomes": _count_outcomes(contents),
        "outcome_names": _OUTCOME_NAMES,
        "funnel_files": _FUNNEL_FILES,
        "uses": USES,
        "use_labels": USE_LABELS,
        "status_labels": STATUS_LABELS,
        "korean_kinds": KINDS,
        "max_korean_answers": MAX_ANSWERS,
        "front": _build_front_matter(contents),
    }


def _count_outcomes(contents: Contents) -> list[tuple[str, list[int]]]:
    """Return the number of rows of each source by outcome, in the order of _OUTCOME_NAMES."""
    return [
        (
            flow.name,
            [
                flow.distinct_train,
                flow.held_out,
                flow.duplicates,
                flow.left_out["leak"],
                flow.removed_by_mixing,
                max(0, flow.written - flow.accepted),
                max(0, flow.read - flow.written),
            ],
        )
        for flow in contents.flows
    ]


def _build_front_matter(contents: Contents) -> dict[str, Any]:
    """Return licence, languages, task categories and size with the names of the Hugging Face Hub."""
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
