"""`seodang judge answer`: let a model answer LogicKor or MT-Bench, turn by turn, for the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.judge import EndpointOption, KeyOption, TimeoutOption, TokensOption, build_endpoint
from seodang.cli.terminal import print_lines
from seodang.i18n import _


def answer(
    questions: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help=_("Questions of LogicKor or MT-Bench: id, questions; or question_id, turns.")
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help=_("Folder for answers.jsonl and every reply."))],
    endpoint: EndpointOption,
    model: Annotated[str, typer.Option(help=_("Name of the model that answers."))],
    key_from: KeyOption = "OPENAI_API_KEY",
    max_tokens: TokensOption = 1024,
    timeout: TimeoutOption = 120.0,
) -> int:
    """Answer all questions, print the counts and the next command.

    Raises:
        SeodangError: If the file has errors, or the endpoint refuses (exit code 2) or does not answer (75).
    """
    from seodang.evaluation.judge.question_answers import ANSWERS_NAME, answer_questions

    connection = build_endpoint(endpoint, model, key_from, max_tokens, timeout)
    result = answer_questions(questions, out, connection)
    lines = [_("questions {questions}, answers {turns}", questions=result.questions, turns=result.turns)]
    if result.truncated:
        lines.append(_("answers that ended at --max-tokens: {count}", count=result.truncated))
    command = f"seodang judge --candidate {out / ANSWERS_NAME} --champion OTHER/{ANSWERS_NAME} ..."
    print_lines([*lines, _("next: {command}", command=command)])
    return 0
