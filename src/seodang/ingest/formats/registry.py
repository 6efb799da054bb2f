"""Which record formats there are, in which keys they are written, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seodang.config import Format
from seodang.ingest.formats import classification, conversation, instruction, preference
from seodang.ingest.formats.sample import Converter, RawRecord
from seodang.records import Language


@dataclass(frozen=True, slots=True)
class RecordReader:
    """How the records of one file are read."""

    name: str  # of the format, or of the shipped template
    convert: Converter
    used_keys: frozenset[str]  # keys that a record has a place for
    task: str = ""  # of the shipped template, as are the next two
    cluster: str = ""
    language: Language | None = None
    required_keys: tuple[tuple[str, ...], ...] = ()  # keys that tell the format, each with its other names


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One way in which a format is written. "a|b" stands for either key."""

    format: Format
    keys: tuple[str, ...]  # that some of the first records have
    convert: Callable[[Sequence[str]], Converter]  # from the file's keys
    optional_keys: tuple[str, ...] = ()  # keys that are used where they are there
    matches: Callable[[Sequence[RawRecord]], bool] = lambda _: (
        True
    )  # what values must be for the format to be recognised
    is_detectable: bool = True  # recognised without being told; the others must be forced

    def find_missing_keys(self, names: Sequence[str]) -> list[str]:
        """Return the keys that a file lacks."""
        return [key for key in self.keys if not any(name in names for name in key.split("|"))]

    def collect_key_names(self) -> set[str]:
        """Return the keys that tell the format, all their names."""
        return {name for key in self.keys for name in key.split("|")}

    def build_reader(self, names: Sequence[str]) -> RecordReader:
        """Return how a file with these keys is read."""
        required_keys = tuple(tuple(key.split("|")) for key in self.keys)
        return RecordReader(
            self.format,
            self.convert(names),
            frozenset({*self.collect_key_names(), *self.optional_keys}),
            required_keys=required_keys,
        )


def _wrap_converter(convert: Converter) -> Callable[[Sequence[str]], Converter]:
    return lambda _: convert


def _build_conversation_converter(*keys: str) -> Callable[[Sequence[str]], Converter]:
    """Return what reads the conversation under the first of these keys that a record has; one without is missed under the file's."""

    def build(names: Sequence[str]) -> Converter:
        usual = next((key for key in keys if key in names), keys[0])
        return lambda found: (
            conversation.convert_messages(
                found, next((key for key in (usual, *keys) if found.get(key) is not None), usual)
            ),
        )

    return build


def _build_kto_converter(build: Callable[[Sequence[str]], Converter]) -> Callable[[Sequence[str]], Converter]:
    def build_marked(names: Sequence[str]) -> Converter:
        convert = build(names)
        return lambda found: preference.mark_desirable(found, convert(found))

    return build_marked


def _match_boolean(key: str, words: tuple[str, ...] = ("true", "false")) -> Callable[[Sequence[RawRecord]], bool]:
    def matches(first: Sequence[RawRecord]) -> bool:
        labels = [found[key] for found in first if found.get(key) is not None]
        return bool(labels) and all(
            isinstance(label, bool | int | str) and str(label).strip().lower() in words for label in labels
        )

    return matches


def _match_lists(*keys: str) -> Callable[[Sequence[RawRecord]], bool]:
    return lambda first: any(all(isinstance(found.get(key), list) for key in keys) for found in first)


def _has_question_lists(first: Sequence[RawRecord]) -> bool:
    return any(
        isinstance(turns := found.get("turns"), list) and all(isinstance(turn, str) for turn in turns)
        for found in first
    )


def _build_completion_converter(names: Sequence[str]) -> Converter:
    return instruction.build_qa_converter("prompt", instruction.find_column(names, instruction.CONTEXTS), "completion")


_ALPACA = _wrap_converter(instruction.convert_alpaca)
_DOLLY = _wrap_converter(instruction.convert_dolly)
_PAIR = _wrap_converter(preference.convert_pair)
_PARALLEL_LISTS = _wrap_converter(lambda found: (conversation.convert_lists(found),))
_PROMPTS = _wrap_converter(instruction.convert_prompts)
_CONVERSATION = _build_conversation_converter("messages", "conversations", "conversation")
_KTO_CONVERSATION = _build_kto_converter(_CONVERSATION)
_CONTEXT_KEYS = ("system", "tools", "functions", "url", "task")
_ALPACA_OPTIONAL = ("input", "system", "history", "url", "task")

# In the order in which they are tried: what needs more stands before what needs less.
FORMAT_SPECS: tuple[FormatSpec, ...] = (
    FormatSpec(
        "preference",
        ("chosen", "rejected"),
        _PAIR,
        ("conversations", "messages", "prompt", "instruction", "question", "query", *_CONTEXT_KEYS, "input", "history"),
    ),
    FormatSpec("preference", ("chosen_messages", "rejected_messages"), _PAIR, _CONTEXT_KEYS),
    FormatSpec("kto", ("messages|conversations", "kto_tag"), _KTO_CONVERSATION, _CONTEXT_KEYS),
    FormatSpec(
        "kto", ("messages|conversations", "label"), _KTO_CONVERSATION, _CONTEXT_KEYS, matches=_match_boolean("label")
    ),
    FormatSpec("kto", ("instruction", "output", "kto_tag"), _build_kto_converter(_ALPACA), _ALPACA_OPTIONAL),
    FormatSpec(
        "kto",
        ("prompt", "completion", "label"),
        _build_kto_converter(_build_completion_converter),
        ("system", "url", "task"),
        matches=_match_boolean("label", ("true", "false", "1", "0")),
    ),
    FormatSpec("messages", ("messages",), _CONVERSATION, _CONTEXT_KEYS),
    FormatSpec(
        "sharegpt",
        ("conversations|conversation",),
        _build_conversation_converter("conversations", "conversation"),
        _CONTEXT_KEYS,
    ),
    FormatSpec("sharegpt", ("messages",), _CONVERSATION, _CONTEXT_KEYS, is_detectable=False),
    FormatSpec("messages", ("conversations|conversation",), _CONVERSATION, _CONTEXT_KEYS, is_detectable=False),
    FormatSpec(
        "dialogue",
        ("questions", "outputs"),
        _PARALLEL_LISTS,
        ("category",),
        matches=_match_lists("questions", "outputs"),
    ),
    FormatSpec(
        "dialogue",
        ("questions", "answers"),
        _PARALLEL_LISTS,
        ("category",),
        matches=_match_lists("questions", "answers"),
    ),
    FormatSpec("self-instruct", ("instruction", "instances"), _wrap_converter(instruction.convert_instances)),
    FormatSpec("dolly", ("instruction", "response", "context|category"), _DOLLY, ("context", "category", "url")),
    FormatSpec("dolly", ("instruction", "output", "category"), _DOLLY, ("input", "context", "url")),
    FormatSpec("koalpaca", ("instruction", "output", "url"), _ALPACA, _ALPACA_OPTIONAL),
    FormatSpec("alpaca", ("instruction", "output"), _ALPACA, _ALPACA_OPTIONAL),
    FormatSpec("koalpaca", ("instruction", "output"), _ALPACA, _ALPACA_OPTIONAL, is_detectable=False),
    FormatSpec("dolly", ("instruction", "response"), _DOLLY, ("context", "category", "url"), is_detectable=False),
    FormatSpec("prompts", ("turns",), _PROMPTS, ("category",), matches=_has_question_lists),
    FormatSpec("prompts", ("question_id", "text"), _PROMPTS, ("category",)),
    FormatSpec("prompts", ("prompt",), _PROMPTS, ("category",)),
    FormatSpec("prompts", ("text|turns",), _PROMPTS, ("category",), is_detectable=False),
)


def describe_formats() -> str:
    """Return all formats with their keys, for messages."""
    keys: dict[str, str] = {}
    for spec in FORMAT_SPECS:
        if spec.is_detectable:
            keys.setdefault(spec.format, " + ".join(spec.keys).replace("|", "/"))
    tables = " ".join(table.name for table in classification.load_bundled_tables())
    return ", ".join(
        [*(f"{format} ({each})" for format, each in keys.items()), "qa (question + answer)", f"the tables {tables}"]
    )
