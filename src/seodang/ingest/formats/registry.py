"""Registry of the record formats: their names, the keys that identify them, and their converters.

To add a format, write its converter in a module of this folder. Add a `Format` to FORMATS in config/record_formats.py,
and at least one `FormatSpec` to FORMAT_SPECS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seodang.config.record_formats import (
    ALPACA,
    DIALOGUE,
    DOLLY,
    KOALPACA,
    KTO,
    MESSAGES,
    PREFERENCE,
    PROMPTS,
    SELF_INSTRUCT,
    SHAREGPT,
    Format,
)
from seodang.i18n import _
from seodang.ingest.formats import classification, conversation, instruction, preference
from seodang.ingest.formats.sample import SYSTEM_KEYS, Converter, RawRecord, Sample
from seodang.ingest.formats.verdicts import parse_verdict
from seodang.records import Language


@dataclass(frozen=True, slots=True)
class RecordReader:
    """Reads the records of one file."""

    name: str  # name of the format or of the bundled table
    convert: Converter
    used_keys: frozenset[str]  # keys that a field of a record holds
    task: str = ""  # task of the bundled table, like the next two
    cluster: str = ""
    language: Language | None = None
    required_keys: tuple[tuple[str, ...], ...] = ()  # keys that identify the format, each with its other names
    format: Format | None = None  # None for a bundled table


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One set of keys of a format. "a|b" stands for either key."""

    format: Format
    keys: tuple[str, ...]  # keys that some of the first records have
    convert: Callable[[Sequence[str]], Converter]  # builds the converter from the file's keys
    optional_keys: tuple[str, ...] = ()  # further keys that the converter uses
    matches: Callable[[Sequence[RawRecord]], bool] = lambda _first: True  # condition on the values of the first records
    is_detectable: bool = True  # False: read only if params.yaml forces the format

    def find_missing_keys(self, names: Sequence[str]) -> list[str]:
        """Return the keys that a file lacks."""
        return [key for key in self.keys if not any(name in names for name in key.split("|"))]

    def collect_key_names(self) -> set[str]:
        """Return all names of the keys that identify the format."""
        return {name for key in self.keys for name in key.split("|")}

    def build_reader(self, names: Sequence[str]) -> RecordReader:
        """Return the reader of a file with these keys."""
        required_keys = tuple(tuple(key.split("|")) for key in self.keys)
        return RecordReader(
            self.format.name,
            self.convert(names),
            frozenset({*self.collect_key_names(), *self.optional_keys}),
            required_keys=required_keys,
            format=self.format,
        )


def _wrap_converter(convert: Converter) -> Callable[[Sequence[str]], Converter]:
    return lambda _names: convert


def _build_conversation_converter(*keys: str) -> Callable[[Sequence[str]], Converter]:
    """Return the builder of a converter that reads the conversation under the first of these keys in a record.

    The error of a record without any of the keys names the file's usual key.
    """

    def build(names: Sequence[str]) -> Converter:
        usual = next((key for key in keys if key in names), keys[0])

        def convert(record: RawRecord) -> tuple[Sample, ...]:
            key = next((key for key in (usual, *keys) if record.get(key) is not None), usual)
            return (conversation.convert_messages(record, key),)

        return convert

    return build


def _build_kto_converter(build: Callable[[Sequence[str]], Converter]) -> Callable[[Sequence[str]], Converter]:
    def build_labelled(names: Sequence[str]) -> Converter:
        convert = build(names)
        return lambda record: preference.mark_desirable(record, convert(record))

    return build_labelled


def _match_label(first: Sequence[RawRecord]) -> bool:
    """Return whether the labels of conversations are verdicts: words, or the numbers 1 and 0 (or -1) only.

    Other numbers are classes of the text.
    """
    labels = [record["label"] for record in first if record.get("label") is not None]
    numbers = [label for label in labels if isinstance(label, int | float) and not isinstance(label, bool)]
    has_classes = any(parse_verdict(number) is None and number == int(number) for number in numbers)
    return not has_classes and any(parse_verdict(label) is not None for label in labels)


def _match_single_label(first: Sequence[RawRecord]) -> bool:
    """Return whether the labels of the first records are single values; then TRL's columns have no other meaning."""
    return any(isinstance(record.get("label"), bool | int | float | str) for record in first)


def _match_lists(*keys: str) -> Callable[[Sequence[RawRecord]], bool]:
    return lambda first: any(all(isinstance(record.get(key), list) for key in keys) for record in first)


def _has_question_lists(first: Sequence[RawRecord]) -> bool:
    return any(
        isinstance(turns := record.get("turns"), list) and all(isinstance(turn, str) for turn in turns)
        for record in first
    )


def _build_completion_converter(names: Sequence[str]) -> Converter:
    return instruction.build_qa_converter("prompt", instruction.find_columns(names, instruction.CONTEXTS), "completion")


_ALPACA = _wrap_converter(instruction.convert_alpaca)
_DOLLY = _wrap_converter(instruction.convert_dolly)
_PAIR = _wrap_converter(preference.convert_pair)
_PARALLEL_LISTS = _wrap_converter(lambda record: (conversation.convert_lists(record),))
_PROMPTS = _wrap_converter(instruction.convert_prompts)
_CONVERSATION = _build_conversation_converter("messages", "conversations", "conversation")
_KTO_CONVERSATION = _build_kto_converter(_CONVERSATION)
_CONTEXT_KEYS = (*SYSTEM_KEYS, "tools", "functions", "url", "task")
_ALPACA_OPTIONAL = (*instruction.CONTEXTS, *SYSTEM_KEYS, "history", "url", "task")
_DOLLY_OPTIONAL = (*instruction.CONTEXTS, *SYSTEM_KEYS, "category", "url")

# In the order of detection: a spec that needs more keys stands before one that needs less.
FORMAT_SPECS: tuple[FormatSpec, ...] = (
    FormatSpec(
        PREFERENCE,
        ("chosen", "rejected"),
        _PAIR,
        ("conversations", "messages", "prompt", "instruction", "question", "query", *_CONTEXT_KEYS, "input", "history"),
    ),
    FormatSpec(PREFERENCE, ("chosen_messages", "rejected_messages"), _PAIR, _CONTEXT_KEYS),
    FormatSpec(KTO, ("messages|conversations", "kto_tag"), _KTO_CONVERSATION, _CONTEXT_KEYS),
    FormatSpec(KTO, ("messages|conversations", "label"), _KTO_CONVERSATION, _CONTEXT_KEYS, matches=_match_label),
    FormatSpec(KTO, ("instruction", "output", "kto_tag"), _build_kto_converter(_ALPACA), _ALPACA_OPTIONAL),
    FormatSpec(
        KTO,
        ("prompt", "completion", "label"),
        _build_kto_converter(_build_completion_converter),
        (*instruction.CONTEXTS, *SYSTEM_KEYS, "url", "task"),
        matches=_match_single_label,
    ),
    FormatSpec(MESSAGES, ("messages",), _CONVERSATION, _CONTEXT_KEYS),
    FormatSpec(
        SHAREGPT,
        ("conversations|conversation",),
        _build_conversation_converter("conversations", "conversation"),
        _CONTEXT_KEYS,
    ),
    FormatSpec(SHAREGPT, ("messages",), _CONVERSATION, _CONTEXT_KEYS, is_detectable=False),
    FormatSpec(MESSAGES, ("conversations|conversation",), _CONVERSATION, _CONTEXT_KEYS, is_detectable=False),
    FormatSpec(
        DIALOGUE,
        ("questions", "outputs"),
        _PARALLEL_LISTS,
        ("category",),
        matches=_match_lists("questions", "outputs"),
    ),
    FormatSpec(
        DIALOGUE,
        ("questions", "answers"),
        _PARALLEL_LISTS,
        ("category",),
        matches=_match_lists("questions", "answers"),
    ),
    FormatSpec(SELF_INSTRUCT, ("instruction", "instances"), _wrap_converter(instruction.convert_instances)),
    FormatSpec(DOLLY, ("instruction", "response", "context|category"), _DOLLY, _DOLLY_OPTIONAL),
    FormatSpec(DOLLY, ("instruction", "output", "category"), _DOLLY, _DOLLY_OPTIONAL),
    FormatSpec(KOALPACA, ("instruction", "output", "url"), _ALPACA, _ALPACA_OPTIONAL),
    FormatSpec(ALPACA, ("instruction", "output"), _ALPACA, _ALPACA_OPTIONAL),
    FormatSpec(KOALPACA, ("instruction", "output"), _ALPACA, _ALPACA_OPTIONAL, is_detectable=False),
    FormatSpec(DOLLY, ("instruction", "response"), _DOLLY, _DOLLY_OPTIONAL, is_detectable=False),
    FormatSpec(PROMPTS, ("turns",), _PROMPTS, ("category",), matches=_has_question_lists),
    FormatSpec(PROMPTS, ("question_id", "text"), _PROMPTS, ("category",)),
    FormatSpec(PROMPTS, ("prompt",), _PROMPTS, ("category",)),
    FormatSpec(PROMPTS, ("text|turns",), _PROMPTS, ("category",), is_detectable=False),
)


def describe_formats() -> str:
    """Return the names of all formats with their keys, for messages."""
    keys: dict[str, str] = {}
    for spec in FORMAT_SPECS:
        if spec.is_detectable:
            keys.setdefault(spec.format.name, " + ".join(spec.keys).replace("|", "/"))
    return _(
        "{formats}, qa (question + answer), the tables {tables}",
        formats=", ".join(f"{name} ({text})" for name, text in keys.items()),
        tables=" ".join(table.name for table in classification.load_bundled_tables()),
    )
