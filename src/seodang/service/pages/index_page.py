"""The page at `/`: the card of the served model and the routes of the service. It loads nothing from anywhere.

BentoML's own page there loads a tracker from the web, and shows the notes of the project instead of the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markupsafe import Markup

from seodang.html import create_environment
from seodang.i18n import N_, Language

HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
"""The browser loads nothing for the page, whatever a card says."""
ROUTES: Final = (
    ("GET", "/ui", N_("a page to try the model")),
    ("POST", "/generate", N_("answers an instruction")),
    ("POST", "/choose", N_("chooses the most likely one of given answers")),
    ("POST", "/batch", N_("answers up to 128 instructions")),
    ("POST", "/v1/chat/completions", N_("answers a conversation, as OpenAI's interface does")),
    ("POST", "/v1/completions", N_("continues texts, as OpenAI's interface does")),
    ("POST", "/feedback", N_("rates an answer by its id")),
    ("GET", "/v1/models", N_("the served model")),
    ("GET", "/v1/models/{id}", N_("the served model")),
    ("POST", "/tokenize", N_("the token ids of a text")),
    ("POST", "/detokenize", N_("the text of token ids")),
    ("GET", "/tokenizer_info", N_("special tokens and chat template")),
    ("GET", "/lineage", N_("the lineage of the weights, down to the source files")),
    ("GET", "/docs.json", N_("every route with its fields, as OpenAPI")),
    ("GET", "/healthz", N_("whether the process is alive")),
    ("GET", "/readyz", N_("whether it accepts requests")),
    ("GET", "/metrics", N_("requests and durations, for Prometheus")),
)
_TEMPLATES: Final = Path(__file__).parent / "templates"
_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_SEPARATOR: Final = "\n---\n\n# "  # between the English and the Korean part of a card


def render_index_page(tag: str, bento: str | None, lineage: Mapping[str, Any], card: str | None) -> str:
    """Return the page in both languages; every text of the data is escaped.

    Args:
        tag: Of the served model.
        bento: Tag of the bento; None if a folder is served.
        lineage: Of the manifest.
        card: Markdown of the model card; None if the model has none.
    """
    base, commit = lineage.get("base") or {}, lineage.get("git_commit")
    facts = {
        N_("bento"): bento,
        N_("base"): base.get("name"),
        N_("licence of the base"): base.get("licence"),
        N_("git commit"): commit and commit[:12],
    }
    environment = create_environment(_TEMPLATES, autoescape=True)
    return environment.get_template("index.html.j2").render(
        tag=tag,
        facts=facts,
        non_commercial=(lineage.get("terms") or {}).get("non_commercial") or [],
        routes=ROUTES,
        cards=None if card is None else render_card(card),
    )


def render_card(card: str) -> dict[Language, Markup]:
    """Return the parts of a model card as HTML, by language.

    Raw HTML of the Markdown becomes text, except the `<code>` of our template; images are left out.
    """
    english, _, korean = _FRONT_MATTER.sub("", card).partition(_SEPARATOR)
    parts: dict[Language, str] = {"en": english, "ko": f"# {korean}" if korean else english}
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return {language: _restore_code(markdown.render(text)) for language, text in parts.items()}


def _restore_code(html: str) -> Markup:
    return Markup(html.replace("&lt;code&gt;", "<code>").replace("&lt;/code&gt;", "</code>"))
