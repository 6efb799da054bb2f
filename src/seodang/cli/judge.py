"""`seodang judge`: let a judge model behind an OpenAI-compatible endpoint compare the answers of two models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.terminal import print_lines
from seodang.i18n import _


def judge(
    candidate: Annotated[Path, typer.Option(metavar="FILE", help=_("Answers of the model that may be promoted."))],
    champion: Annotated[Path, typer.Option(metavar="FILE", help=_("Answers of the model that is live now."))],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help=_("Folder for every reply, candidate.jsonl and champion.jsonl."))
    ],
    endpoint: Annotated[str, typer.Option(metavar="URL", help=_("OpenAI-compatible endpoint, up to /v1."))],
    model: Annotated[str, typer.Option(help=_("Name of the judge model at the endpoint."))],
    key_from: Annotated[
        str, typer.Option(metavar="NAME", help=_("Environment variable that holds the API key, if one is needed."))
    ] = "OPENAI_API_KEY",
    max_tokens: Annotated[int, typer.Option(help=_("Maximum number of tokens of a reply."))] = 1024,
    timeout: Annotated[float, typer.Option(help=_("Seconds to wait for a reply."))] = 120.0,
) -> int:
    """Compare the answers, print the counts and the next command.

    Raises:
        SeodangError: If a file cannot be used, or the judge refuses (exit code 2) or does not answer (75).
    """
    from seodang.evaluation.judge.client import Endpoint
    from seodang.evaluation.judge.client import judge as run_judge

    api_key = os.environ.get(key_from, "")
    connection = Endpoint(base_url=endpoint, model=model, api_key=api_key, max_tokens=max_tokens, timeout=timeout)
    result = run_judge(candidate, champion, out, connection)
    lines = [
        _(
            "items {items}: won {wins}, tied {ties}, lost {losses}",
            items=result.items, wins=result.wins, ties=result.ties, losses=result.losses,
        )
    ]  # fmt: skip
    if missing := result.items_without_verdict:
        lines.append(
            _("replies without a verdict: {count} ({items})", count=len(missing), items=", ".join(missing[:5]))
        )
    command = f"seodang gate --candidate {out / 'candidate.jsonl'} --champion {out / 'champion.jsonl'}"
    print_lines([*lines, _("next: {command}", command=command)])
    return 0
