"""The words of Typer's own help and usage errors, in the terminal's language."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import N_, _

# Typer writes these in English only.
_HELP_TEXTS: Final = (
    N_("Usage: "),
    N_("Options:"),
    N_("Arguments:"),
    N_("Commands:"),
    N_("Show this message and exit."),
    N_("[required]"),
    N_("[default: "),
)
_ERRORS: Final = (
    (r"No such command '(?P<name>.+)'\.?", N_("there is no command {name!r}")),
    (r"No such option: (?P<name>\S+).*", N_("there is no option {name}")),
    (r"Missing (?:option|argument|parameter):? '?(?P<name>[^'.]+)'?\.?", N_("{name} is missing")),
    (r"Option '?(?P<name>[^']+)'? requires an argument\.", N_("{name} needs a value")),
    (r"Got unexpected extra arguments? \((?P<name>.+)\)", N_("these words are too many: {name}")),
    (r"Missing command\.", N_("a command is missing")),
)


def translate_help(text: str) -> str:
    """Return a help text with Typer's headings in the terminal's language."""
    for heading in _HELP_TEXTS:
        text = text.replace(heading, _(heading))
    return text


def translate_usage_error(message: str) -> str:
    """Return a usage error of Typer in the terminal's language; an unknown one stays as it is."""
    for pattern, text in _ERRORS:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return _(text, **match.groupdict()) if match.groupdict() else _(text)
    return message
