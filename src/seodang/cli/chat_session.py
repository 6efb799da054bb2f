"""A conversation in the terminal: its turns, its commands, Ctrl-C, and pipes."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Final

from seodang.cli.chat_models import ChatModel, ChatOptions, Message
from seodang.cli.terminal import print_lines
from seodang.errors import SeodangError
from seodang.i18n import N_, _
from seodang.records import replace_surrogates

_PROMPT: Final = "> "
_INTERRUPTED: Final = 130
_COMMANDS: Final = (
    ("/help", N_("lists the commands")),
    ("/clear", N_("forgets the earlier questions")),
    ("/system TEXT", N_("sets the system text; without TEXT there is none")),
    ("/quit", N_("ends; so do Ctrl-D, and Ctrl-C at the prompt. Ctrl-C during an answer stops the answer")),
)


class ChatSession:
    """The turns of a conversation with one model."""

    def __init__(self, model: ChatModel, options: ChatOptions, *, system: str, input: str, keeps_turns: bool) -> None:
        """Begin a conversation.

        Args:
            model: That answers.
            options: Of every request.
            system: System text; empty for none.
            input: Text that every instruction refers to; empty for none.
            keeps_turns: Whether earlier questions and answers are sent along.
        """
        self.model = model
        self.system = system
        self._options = options
        self._input = input
        self._keeps_turns = keeps_turns
        self._turns: list[Message] = []

    def forget(self) -> None:
        """Forget the earlier questions and answers."""
        self._turns = []

    def answer(self, instruction: str) -> Generator[str]:
        """Yield the answer as it comes; a complete one becomes part of the conversation.

        Raises:
            SeodangError: If the model cannot answer; the conversation stays as it was.
        """
        instruction = replace_surrogates(instruction)
        system = [{"role": "system", "content": self.system}] if self.system else []
        question = {"role": "user", "content": instruction, "input": self._input}
        parts: list[str] = []
        with closing(self.model.answer([*system, *self._turns, question], self._options)) as answer:
            for part in answer:
                parts.append(part.text)
                yield part.text
                if part.is_cut:
                    print(f" [{_('cut at the maximum number of tokens')}]", end="", file=sys.stderr, flush=True)
        if self._keeps_turns:
            text = "\n\n".join(filter(None, (instruction, self._input)))
            self._turns += [{"role": "user", "content": text}, {"role": "assistant", "content": "".join(parts)}]


def answer_once(session: ChatSession, instruction: str) -> int:
    """Print the answer to one instruction, and return the exit code."""
    _print_answer(session, instruction)
    return 0


def answer_lines(session: ChatSession, lines: Iterable[str]) -> int:
    """Answer each line on its own and print the answers in order; return the exit code. Empty lines are left out.

    Raises:
        SeodangError: At the first line that cannot be answered; the message has its number.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if replace_surrogates(line) != line:
                raise SeodangError(_("the line is no text in the terminal's encoding; convert the file to UTF-8"))
            _print_answer(session, line.strip())
        except SeodangError as error:
            error.args = (_("line {number}: {error}", number=number, error=error),)
            raise
        session.forget()
    return 0


def run_prompt(session: ChatSession) -> int:
    """Answer what is written at the prompt until Ctrl-D, /quit, or Ctrl-C at the prompt; return the exit code."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (arrow keys and earlier lines at the prompt)
    print_lines([_("{model} · /help lists the commands, Ctrl-D ends", model=session.model.name)])
    with _raise_every_interrupt():
        while True:
            try:
                line = input(_PROMPT).strip()
            except EOFError:
                print()
                return 0
            except KeyboardInterrupt:
                print()
                return _INTERRUPTED
            if line == "/quit":
                return 0
            if line.startswith("/"):
                _run_command(session, line)
            elif line:
                _answer_at_prompt(session, line)


def _answer_at_prompt(session: ChatSession, line: str) -> None:
    try:
        _print_answer(session, line)
    except KeyboardInterrupt:
        print(f"[{_('stopped')}]")
    except SeodangError as error:
        print(f"seodang: {error}", file=sys.stderr)


def _print_answer(session: ChatSession, instruction: str) -> None:
    clean: Callable[[str], str] = _replace_controls if sys.stdout.isatty() else str
    has_text = False
    try:
        with closing(session.answer(instruction)) as parts:
            for text in parts:
                has_text = has_text or bool(text)
                sys.stdout.write(clean(text))
                sys.stdout.flush()
        has_text = True  # an empty answer has a line, too
    finally:
        if has_text:  # what follows, such as an error, begins in a line of its own
            print(flush=True)


def _run_command(session: ChatSession, line: str) -> None:
    name, _blank, text = line.partition(" ")
    if name == "/clear":
        session.forget()
        print_lines([_("the earlier questions are forgotten")])
    elif name == "/system":
        session.system = text.strip()
        print_lines([_("the system text is set") if session.system else _("there is no system text now")])
    elif name == "/help":
        print_lines(f"{command:<14}{_(purpose)}" for command, purpose in _COMMANDS)
    else:
        print_lines([_("there is no command {name}; /help lists the commands", name=name)])


def _replace_controls(text: str) -> str:
    """Return a text without characters that would control the terminal."""
    return "".join("?" if not (char.isprintable() or char in "\n\t") else char for char in text)


@contextlib.contextmanager
def _raise_every_interrupt() -> Iterator[None]:
    """Let each Ctrl-C raise KeyboardInterrupt; `main` ignores a second one within a second."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
