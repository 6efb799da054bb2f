"""`seodang chat`: ask a packaged model or a service in the terminal, or through a pipe."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.api_key import read_key
from seodang.cli.chat_models import ChatModel, ChatOptions
from seodang.cli.chat_session import ChatSession, answer_lines, answer_once, run_prompt
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.paths import Paths


def chat(
    instruction: Annotated[
        str | None, typer.Argument(help=_("Answer this instruction and end; without it, a conversation begins."))
    ] = None,
    input: Annotated[str, typer.Option(help=_("Text that the instructions refer to."))] = "",
    folder: Annotated[
        Path | None, typer.Option(help=_("Folder of a packaged model; without it, artifacts/package/model."))
    ] = None,
    url: Annotated[
        str, typer.Option(help=_("Address of a service, such as http://127.0.0.1:3000; its key is SEODANG_API_KEY."))
    ] = "",
    model: Annotated[str, typer.Option(help=_("Name of one of the service's models."))] = "",
    system: Annotated[str, typer.Option(help=_("System text."))] = "",
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help=_("0 to 2; without it, answers are always the same."))
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help=_("Maximum number of tokens of an answer."))] = None,
    seed: Annotated[int | None, typer.Option(help=_("Equal seeds give equal answers."))] = None,
    history: Annotated[
        bool | None,
        typer.Option(
            "--history/--no-history",
            help=_("Send earlier questions along; without the option, only if the model was tuned on conversations."),
        ),
    ] = None,
) -> int:
    """Answer instructions: the argument, the lines of a pipe, or what is written at the prompt.

    Returns:
        0 at the end of the input; 130 if Ctrl-C came at the prompt.

    Raises:
        SeodangError: If the model cannot be used, or an instruction of the argument or the pipe cannot be answered.
        ServiceUnreachable: If the service does not answer.
    """
    options = ChatOptions(temperature, max_tokens, seed)
    with closing(_open_model(url, model, folder)) as opened:
        keeps_turns = opened.keeps_turns if history is None else history
        session = ChatSession(opened, options, system=system, input=input, keeps_turns=keeps_turns)
        if instruction is not None:
            return answer_once(session, instruction)
        if sys.stdin.isatty() and sys.stdout.isatty():
            return run_prompt(session)
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # answer_lines names the line that is no text
        return answer_lines(session, sys.stdin)


def _open_model(url: str, model: str, folder: Path | None) -> ChatModel:
    if url and folder is not None:
        raise SeodangError(_("choose one: --url names a service, --folder a packaged model"))
    if url:
        from seodang.cli.chat_remote import RemoteModel

        return RemoteModel(url, model, read_key())
    if model:
        raise SeodangError(_("--model names a model of a service: add --url"))
    from seodang.cli.chat_local import load_local_model

    return load_local_model(Paths(Path.cwd()), folder)
