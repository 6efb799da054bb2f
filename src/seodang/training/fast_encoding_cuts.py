"""Where a text may be cut before it is tokenised without a change to its tokens, told from the tokenizer's parts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE

_CUT = re.compile(r"\S[ ▁]")
# A tokenizer that joins the blank to so many different characters is not worth cutting for.
_MOST_JOINED = 64

# No match of these patterns holds a blank after another character, and none looks back.
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CUTTING_PATTERNS = frozenset({_LLAMA3, _QWEN2, _QWEN35})

# Letters whose Unicode category no version of the standard will change, and that combine with nothing but marks.
BEHIND = re.compile(r"[\x00-@\[-`{-\x7f]")
"""The ASCII characters that are no letters."""
RUN = re.compile(rf" ?[A-Za-z가-힣]+(?={BEHIND.pattern}|$)")
"""A run of letters, with the blank before it, up to one of those or the end."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where texts may be cut."""

    joining: frozenset[str]
    """At each blank, but behind these characters: to them the tokenizer may join the blank."""
    behind_runs: bool
    """Whether also behind a RUN that begins the text or stands at a cut; the model then gets the run as it is, in bytes."""
    blank: re.Pattern[str]
    """A blank that is a cut."""
    joined: str
    """A regular expression of a blank that is none."""


def cuts_of(backend: Tokenizer) -> Cuts | None:
    """Return where a tokenizer's texts may be cut; None if they must stay whole."""
    joining = _joining(backend)
    if joining is None:
        return None
    # SentencePiece writes a blank as "▁", so a "▁" in the text counts as one too.
    joining |= {"▁", *filter(str.isspace, map(chr, range(0x3001)))}
    one = "".join(f"\\{character}" if character in r"\]^-" else character for character in sorted(joining))
    return Cuts(joining, behind_runs=_isolates_runs(backend), blank=re.compile(f"(?<![{one}]) "), joined=f"[{one}] ")


def _isolates_runs(backend: Tokenizer) -> bool:
    """Return whether each RUN at the begin of a text is one piece for the model: so do all patterns that are known here."""
    steps = _parts(backend.pre_tokenizer, "pretokenizers")
    return any(step["type"] == "ByteLevel" for step in steps) and not any(RUN.match(token.content) for token in backend.get_added_tokens_decoder().values())


def _joining(backend: Tokenizer) -> frozenset[str] | None:
    """Return the characters to which the tokenizer may join a blank that follows; None if texts must stay whole.

    Byte-pair encoding merges within what the pre-tokenizer cut, and into tokens of its vocabulary only. So a cut is
    the tokenizer's own if the pre-tokenizer cuts there too, or if no token spans it.
    """
    model = backend.model
    if not isinstance(model, BPE) or model.dropout or model.continuing_subword_prefix or model.end_of_word_suffix:
        return None
    added = backend.get_added_tokens_decoder().values()
    if any(token.lstrip or token.rstrip or token.single_word for token in added):
        return None
    spanning = _spanning(token.content for token in added)
    normalizers, steps = _parts(backend.normalizer, "normalizers"), _parts(backend.pre_tokenizer, "pretokenizers")
    if normalizers == [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]:
        # Nothing is left to a step that cuts at blanks, so all depends on the vocabulary.
        vocabulary = backend.get_vocab()
        if "▁" not in vocabulary or any(step["type"] != "Split" or step["pattern"] != {"String": " "} for step in steps):
            return None
        spanning |= _spanning(token for token in vocabulary if "▁" in token[1:])
    elif normalizers not in ([], [{"type": "NFC"}]) or not _cuts_at_blanks(steps):
        return None
    return spanning if len(spanning) <= _MOST_JOINED else None


def _spanning(tokens: Iterable[str]) -> frozenset[str]:
    """Return the characters after which a blank stands in any of the tokens."""
    return frozenset(found[0] for token in tokens for found in _CUT.findall(token))


def _parts(part: Any, several: str) -> list[dict[str, Any]]:  # noqa: ANN401 - the Rust library's classes have no common type
    """Return the settings of a normalizer or pre-tokenizer, of each in turn if it is a sequence."""
    if part is None:
        return []
    settings: dict[str, Any] = json.loads(part.__getstate__())
    return list(settings[several]) if settings["type"] == "Sequence" else [settings]


def _cuts_at_blanks(steps: list[dict[str, Any]]) -> bool:
    """Return whether pre-tokenizers cut wherever a blank follows something else, and each part by itself."""
    kinds = [step["type"] for step in steps]
    if not set(kinds) <= {"Digits", "Split", "ByteLevel"} or any(step["type"] == "ByteLevel" and step["add_prefix_space"] for step in steps):
        return False
    if any(step["type"] == "Split" and not _is_known(step) for step in steps):
        return False
    first = next((step for step in steps if step["type"] != "Digits"), None)  # of those after it none sees over a cut
    return first is not None and (first["type"] == "Split" or first["use_regex"])  # ByteLevel's own is GPT-2's pattern


def _is_known(split: dict[str, Any]) -> bool:
    return split["pattern"].get("Regex") in _CUTTING_PATTERNS and split["behavior"] == "Isolated" and not split["invert"]
