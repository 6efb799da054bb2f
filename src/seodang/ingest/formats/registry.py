"""Which record formats there are, in which keys they are written, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seodang.config import Format
from seodang.ingest.formats import classification, conversation, instruction, preference
from seodang.ingest.formats.sample import Convert, Found
from seodang.records import Language


@dataclass(frozen=True, slots=True)
class Reading:
    """How the records of one file are read."""

    name: str  # of the format, or of the shipped template
    convert: Convert
    used: frozenset[str]  # keys that a record has a place for
    task: str = ""  # of the shipped template, as are the next two
    cluster: str = ""
    language: Language | None = None
    needs: tuple[tuple[str, ...], ...] = ()  # keys that tell the format, each with its other names


@dataclass(frozen=True, slots=True)
class Shape:
    """One way in which a format is written. "a|b" stands for either key."""

    format: Format
    keys: tuple[str, ...]  # that some of the first records have
    convert: Callable[[Sequence[str]], Convert]  # from the file's keys
    also: tuple[str, ...] = ()  # keys that are used where they are there
    fits: Callable[[Sequence[Found]], bool] = lambda _: True  # what values must be for the format to be recognised
    told: bool = True  # recognised without being told; the others must be forced

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the keys that a file lacks."""
        return [key for key in self.keys if not any(name in names for name in key.split("|"))]

    def named(self) -> set[str]:
        """Return the keys that tell the format, all their names."""
        return {name for key in self.keys for name in key.split("|")}

    def reading(self, names: Sequence[str]) -> Reading:
        """Return how a file with these keys is read."""
        needs = tuple(tuple(key.split("|")) for key in self.keys)
        return Reading(self.format, self.convert(names), frozenset({*self.named(), *self.also}), needs=needs)


def _same(convert: Convert) -> Callable[[Sequence[str]], Convert]:
    return lambda _: convert


def _conversation(*keys: str) -> Callable[[Sequence[str]], Convert]:
    """Return what reads the conversation under the first of these keys that a record has; one without is missed under the file's."""

    def choose(names: Sequence[str]) -> Convert:
        usual = next((key for key in keys if key in names), keys[0])
        return lambda found: (
            conversation.from_messages(
                found, next((key for key in (usual, *keys) if found.get(key) is not None), usual)
            ),
        )

    return choose


def _marked(choose: Callable[[Sequence[str]], Convert]) -> Callable[[Sequence[str]], Convert]:
    def chosen(names: Sequence[str]) -> Convert:
        convert = choose(names)
        return lambda found: preference.marked(found, convert(found))

    return chosen


def _says_yes_or_no(key: str, words: tuple[str, ...] = ("true", "false")) -> Callable[[Sequence[Found]], bool]:
    def fits(first: Sequence[Found]) -> bool:
        labels = [found[key] for found in first if found.get(key) is not None]
        return bool(labels) and all(
            isinstance(label, bool | int | str) and str(label).strip().lower() in words for label in labels
        )

    return fits


def _lists(*keys: str) -> Callable[[Sequence[Found]], bool]:
    return lambda first: any(all(isinstance(found.get(key), list) for key in keys) for found in first)


def _lists_of_questions(first: Sequence[Found]) -> bool:
    return any(
        isinstance(turns := found.get("turns"), list) and all(isinstance(turn, str) for turn in turns)
        for found in first
    )


def _completed(names: Sequence[str]) -> Convert:
    return instruction.asked("prompt", instruction.column(names, instruction.CONTEXTS), "completion")


_ALPACA = _same(instruction.alpaca)
_DOLLY = _same(instruction.dolly)
_PAIR = _same(preference.pair)
_LISTS = _same(lambda found: (conversation.from_lists(found),))
_PROMPTS = _same(instruction.prompts)
_TALK = _conversation("messages", "conversations", "conversation")
_MARKED_TALK = _marked(_TALK)
_BESIDE = ("system", "tools", "functions", "url", "task")
_ALPACA_ALSO = ("input", "system", "history", "url", "task")

# In the order in which they are tried: what needs more stands before what needs less.
SHAPES: tuple[Shape, ...] = (
    Shape(
        "preference",
        ("chosen", "rejected"),
        _PAIR,
        ("conversations", "messages", "prompt", "instruction", "question", "query", *_BESIDE, "input", "history"),
    ),
    Shape("preference", ("chosen_messages", "rejected_messages"), _PAIR, _BESIDE),
    Shape("kto", ("messages|conversations", "kto_tag"), _MARKED_TALK, _BESIDE),
    Shape("kto", ("messages|conversations", "label"), _MARKED_TALK, _BESIDE, fits=_says_yes_or_no("label")),
    Shape("kto", ("instruction", "output", "kto_tag"), _marked(_ALPACA), _ALPACA_ALSO),
    Shape(
        "kto",
        ("prompt", "completion", "label"),
        _marked(_completed),
        ("system", "url", "task"),
        fits=_says_yes_or_no("label", ("true", "false", "1", "0")),
    ),
    Shape("messages", ("messages",), _TALK, _BESIDE),
    Shape("sharegpt", ("conversations|conversation",), _conversation("conversations", "conversation"), _BESIDE),
    Shape("sharegpt", ("messages",), _TALK, _BESIDE, told=False),
    Shape("messages", ("conversations|conversation",), _TALK, _BESIDE, told=False),
    Shape("dialogue", ("questions", "outputs"), _LISTS, ("category",), fits=_lists("questions", "outputs")),
    Shape("dialogue", ("questions", "answers"), _LISTS, ("category",), fits=_lists("questions", "answers")),
    Shape("self-instruct", ("instruction", "instances"), _same(instruction.instances)),
    Shape("dolly", ("instruction", "response", "context|category"), _DOLLY, ("context", "category", "url")),
    Shape("dolly", ("instruction", "output", "category"), _DOLLY, ("input", "context", "url")),
    Shape("koalpaca", ("instruction", "output", "url"), _ALPACA, _ALPACA_ALSO),
    Shape("alpaca", ("instruction", "output"), _ALPACA, _ALPACA_ALSO),
    Shape("koalpaca", ("instruction", "output"), _ALPACA, _ALPACA_ALSO, told=False),
    Shape("dolly", ("instruction", "response"), _DOLLY, ("context", "category", "url"), told=False),
    Shape("prompts", ("turns",), _PROMPTS, ("category",), fits=_lists_of_questions),
    Shape("prompts", ("question_id", "text"), _PROMPTS, ("category",)),
    Shape("prompts", ("prompt",), _PROMPTS, ("category",)),
    Shape("prompts", ("text|turns",), _PROMPTS, ("category",), told=False),
)


def known_formats() -> str:
    """Return all formats with their keys, for messages."""
    keys: dict[str, str] = {}
    for shape in SHAPES:
        if shape.told:
            keys.setdefault(shape.format, " + ".join(shape.keys).replace("|", "/"))
    tables = " ".join(table.name for table in classification.bundled_tables())
    return ", ".join(
        [*(f"{format} ({each})" for format, each in keys.items()), "qa (question + answer)", f"the tables {tables}"]
    )
