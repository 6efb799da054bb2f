"""The page at `/ui`: questions to the served models, their answers as they come, options and lineage.

The page holds no data: it asks the service like any client, with the user's key. Text of users and models is always
set as text. The Content-Security-Policy allows exactly the page's own script and style by their hashes, and forbids the
browser to turn a text into markup (Trusted Types).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from seodang.html import create_environment
from seodang.service.pages.playground_texts import TEXTS

PATH: Final = "/ui"
_TEMPLATES: Final = Path(__file__).parent / "templates"
_SCRIPTS: Final = ("language", "service", "answers", "model", "page")
_POLICY: Final = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class Playground:
    """The page and the headers that it is sent with."""

    html: str
    headers: dict[str, str]


async def get_playground(_request: Request) -> Response:
    """Return the page; it needs no key, because it asks the user for one."""
    playground = render_playground()
    return HTMLResponse(playground.html, headers=playground.headers)


@cache
def render_playground() -> Playground:
    """Return the page in both languages."""
    environment = create_environment(_TEMPLATES, autoescape=True)
    style = environment.get_template("playground.css").render()
    parts = [(_TEMPLATES / f"playground_{name}.js").read_text("utf-8") for name in _SCRIPTS]
    script = '"use strict";\n' + "\n".join(parts)
    html = environment.get_template("playground.html.j2").render(
        style=Markup(style), script=Markup(script), messages=TEXTS
    )
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",  # the page of another version would not fit the service
    }
    return Playground(html, headers)


def _hash(content: str) -> str:
    """Return the source expression of an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
