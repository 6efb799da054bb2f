"""Chat templates of tokenizers: what a template reads from outside is replaced by a stored value, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser

from seodang.i18n import _

# The date of every template that writes one: it is also the date that Llama 3.1 writes where there is no clock.
FROZEN_DATE: Final = "2024-07-26"
# What strftime writes for 2024-07-26 00:00:00, in the C locale. "%%" is last, so that its "%" begins nothing.
_DIRECTIVES: Final = {
    "%-d": "26", "%d": "26", "%e": "26", "%-j": "208", "%j": "208", "%a": "Fri", "%A": "Friday", "%u": "5", "%w": "5",
    "%b": "Jul", "%h": "Jul", "%B": "July", "%-m": "7", "%m": "07", "%Y": "2024", "%y": "24", "%G": "2024", "%C": "20",
    "%U": "29", "%W": "30", "%V": "30", "%F": FROZEN_DATE, "%D": "07/26/24", "%x": "07/26/24", "%-H": "0", "%H": "00",
    "%-I": "12", "%I": "12", "%-M": "0", "%M": "00", "%-S": "0", "%S": "00", "%f": "000000", "%p": "AM",
    "%T": "00:00:00", "%X": "00:00:00", "%R": "00:00", "%r": "12:00:00 AM", "%c": "Fri Jul 26 00:00:00 2024",
    "%s": "1721952000", "%z": "", "%Z": "", "%n": "\\n", "%t": "\\t", "%%": "%",
}  # fmt: skip
_CLOCK: Final = "strftime_now"
# Functions that every reader of chat templates has and whose result depends on nothing else.
_FUNCTIONS: Final = frozenset({"cycler", "dict", "joiner", "namespace", "raise_exception", "range", _CLOCK})
# Objects that some readers pass to a template and that differ with time, place or chance.
_OUTSIDE: Final = frozenset(
    "date datetime env environ locale lipsum now os platform random secrets sys time timezone today utcnow uuid".split()
)
_FROZEN_CLOCK: Final = "".join(
    [
        "{%- macro strftime_now(format) -%}{{ format",
        *(f".replace('{directive}', '{text}')" for directive, text in _DIRECTIVES.items()),
        " }}{%- endmacro -%}",
    ]
)


def freeze_clock(template: str) -> str:
    """Return a chat template that writes the frozen date instead of today's.

    A macro replaces the function that reads the clock, in every reader of the template. So the prompts and their
    fingerprint stay the same on each day, in each locale and in each time zone. A template without a clock, and one
    that is already frozen, is returned unchanged.
    """
    return template if _CLOCK not in template or _FROZEN_CLOCK in template else _FROZEN_CLOCK + template


def reads_clock(folder: Path) -> bool:
    """Return whether the stored chat template of a model folder writes today's date, as older versions packaged it."""
    files = [folder / "chat_template.jinja", folder / "tokenizer_config.json"]
    texts = [file.read_text("utf-8") for file in files if file.is_file()]
    return any(_CLOCK in text for text in texts) and not any("macro strftime_now" in text for text in texts)


def select_chat_template(chat_template: str | dict[str, str] | None) -> str | None:
    """Return the template for a conversation without tools; None if a tokenizer has none.

    A tokenizer may have several, such as `default`, `tool_use` and `rag`. Seodang renders the default one, so every
    other reader must render it, too.
    """
    return chat_template.get("default") if isinstance(chat_template, dict) else chat_template


class _GenerationTag(Extension):
    """Parses the tag with which templates mark answers for training; transformers has it, Jinja has not."""

    tags = {"generation"}  # noqa: RUF012 (as Jinja declares it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the tag's content."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def find_template_problems(template: str) -> list[str]:
    """Return why a chat template may write other text in a later call, on another day or another machine.

    Every problem names its line. Text that a template writes without reading anything outside is the same each time.
    So a template without problems is deterministic once its clock is frozen.
    """
    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, LoopControlExtension])
    try:
        tree = environment.parse(template)
    except TemplateSyntaxError as error:
        return [_("line {line}: {error}", line=error.lineno, error=error.message or "?")]
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx in {"store", "param"}}
    names |= {node.name for node in tree.find_all(nodes.Macro)}
    problems = [*_find_random_filters(tree), *_find_outside_names(tree, names), *_find_unknown_functions(tree, names)]
    return [
        _("line {line}: {problem}", line=line, problem=problem) for line, problem in sorted(dict.fromkeys(problems))
    ]


def _find_random_filters(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    for node in tree.find_all(nodes.Filter):
        arguments = [argument.value for argument in node.args if isinstance(argument, nodes.Const)]
        if node.name == "random" or (node.name == "map" and arguments[:1] == ["random"]):
            yield node.lineno, _("the filter random chooses another value in each call")
        elif node.name == "map" and node.args and not arguments[:1]:
            yield node.lineno, _("the filter map gets the name of a filter from a variable, which may be random")


def _find_outside_names(tree: nodes.Template, assigned: set[str]) -> Iterator[tuple[int, str]]:
    for node in tree.find_all(nodes.Name):
        if node.ctx == "load" and node.name in _OUTSIDE - assigned and not _is_tested_only(node, tree):
            yield node.lineno, _("{name} differs with time, place or chance", name=node.name)


def _is_tested_only(name: nodes.Name, tree: nodes.Template) -> bool:
    return any(test.node is name and test.name in {"defined", "undefined"} for test in tree.find_all(nodes.Test))


def _find_unknown_functions(tree: nodes.Template, assigned: set[str]) -> Iterator[tuple[int, str]]:
    for node in tree.find_all(nodes.Call):
        if isinstance(node.node, nodes.Name) and node.node.name not in _FUNCTIONS | _OUTSIDE | assigned:
            yield node.lineno, _("{name}() is no function that readers of chat templates have", name=node.node.name)
