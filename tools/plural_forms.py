"""Find messages in which a placeholder stands before a plural noun, but which have no singular: "{count} rows"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

# A placeholder, at most two adjectives, a word in -s: "{count:,} training records", "{count} device(s)".
_PHRASE: Final = re.compile(r"\{\w+[^}]*\} ((?:[a-z-]+ ){0,2}?)([a-z-]+s|[a-z]+\(e?s\))(?![\w/-])")
# Words in -s after a name: "{path} has no rows". A verb that is missing here is reported once; add it.
_NO_NOUNS: Final = frozenset(
    "agrees asks begins belongs contradicts describes differs does ends expands fails gets gives has holds is its lacks less lies matches"
    " names needs owns process reads refuses serves this was".split()
)
# Words that end the phrase of a count: "{path} of two records".
_NO_ADJECTIVES: Final = frozenset("and are as at by for from in of on or than that the to with".split())
EXEMPT: Final[dict[str, str]] = {
    "{path}: column {column} has more than {limit}": "a constant, 50",
    "{path} holds a table by column with more than {limit:,}": "a constant, 536,870,912",
    "The differences are skewed": "an undecided rule needs more than one item",
    "So few groups do not show": "an undecided rule needs more than one item",
    "About {count} items would decide": "an undecided rule needs more than one item",
    "Earlier candidates on these items": "a test has more than one item",
    "These items are used up": "a test has more than one item",
    "At least {count} independent groups": "a constant, 10",
    "The items are worn out": "a test has more than one item, and a factor is at least 2",
    "judgement {number} on these items": "gate.judgements is at least 2",
    "{number} judgements": "more than gate.judgements, which is at least 2",
    "{count} processes": "shown for several processes only",
    "train.batch_size {batch_size} is less than the {processes} processes": "a batch has at least one record",
    "the judge {model} agrees with people": "an interval needs ten questions",
    "{url}: {problem}, after {count} attempts": "a constant, 4",
    "a quote is not closed within {limit:,} characters": "a constant, many thousands",
    "line {line} has more than {limit:,} characters": "a constant, many thousands",
    "more than {limit:,} characters": "a constant, many thousands",
    "{path}: item {number} has more than {limit:,} characters": "a constant, many thousands",
    "{path}: the header has more than {limit:,} characters": "a constant, many thousands",
    "{path}, {reason}; none of its first {count:,} rows": "a constant, one thousand",
    "the model's chat template writes message {number}": "reported if it is written several times",
    "{purpose} needs {needed:,} bytes": "sizes of files and disks",
    "{words}: the request has {count:,} characters": "more than the model's context has tokens",
    "must be from 1 to {limit} prompts": "a constant, 128",
    "the body may have at most {limit:,} bytes": "a constant, millions",
    "{variable}: entry {number} is not name:key": "a constant, 16",
    "the tokenizer of {origin} can produce {token!r}": "a vocabulary has many tokens",
    "train.max_length is {max_length} tokens": "above the model's context",
    "train.max_length {max_length} is above the {context} tokens": "a context has many tokens",
    "Differences with {confidence} confidence intervals": "a percentage, no count",
    "The horizontal axis is the number of few-shot examples": "a percentage, no count",
    "this code renders {format!r} prompts": "a name, no count",
    "source {source}: {lost:,} of {read:,} rows": "a share of many rows",
    "{tasks}: {cut} of {count} reference answers": "a share of several answers",
}
"""Beginning of a message -> why it needs no singular."""


def check_plurals(messages: Iterable[str | tuple[str, str]]) -> Iterator[str]:
    """Return a line for each message that needs a singular, and for each exemption that no message needs."""
    suspects = [message for message in messages if isinstance(message, str) and find_plural(message)]
    for message in suspects:
        if not message.startswith(tuple(EXEMPT)):
            phrase = find_plural(message)
            yield f"no singular for {phrase!r}; use ngettext, or name it in tools/plural_forms.py: {message!r}"
    for beginning in EXEMPT:
        if not any(message.startswith(beginning) for message in suspects):
            yield f"exemption without a message, remove it from tools/plural_forms.py: {beginning!r}"


def find_plural(message: str) -> str:
    """Return the first phrase of a placeholder and a plural noun; empty if there is none."""
    for match in _PHRASE.finditer(message):
        adjectives, noun = match[1].split(), match[2]
        if noun not in _NO_NOUNS and not _NO_ADJECTIVES & set(adjectives):
            return match[0]
    return ""
