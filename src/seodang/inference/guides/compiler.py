"""Compile grammars for the tokens of one model, with llguidance."""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed, QueueFull
from seodang.inference.guides.token_reader import build_reader

# A guide takes up to 0.2 KB for each character of its grammar, and the states of its answers up to some 15 MB.
_CACHED_GUIDES: Final = 16
_CACHED_CHARACTERS: Final = 200_000
# Different grammars of requests that run or wait: with the figures above, 3 GB at most, if all of them are hostile.
_OPEN_GUIDES: Final = 128
_OPEN_CHARACTERS: Final = 4_000_000
_MAX_STARTS: Final = 64
"""Answers after which a grammar is compiled again, so that their states do not add up."""
_PLACE: Final = re.compile(r"^at \d+\(\d+\): |failed to compile JSON schema: |\n +\d+ \| .*", re.DOTALL)
"""Where an error stands in the grammar, which is not the text that the user wrote."""
# They bound the time of a step to some 30 ms and that of a compilation to about a second; llguidance's own limits are
# up to ten times as high. Names and units: LLParserLimits.
_LIMITS: Final = LLParserLimits(
    initial_lexer_fuel=200_000,
    step_lexer_fuel=100_000,
    step_max_items=20_000,
    max_items_in_row=2_000,
    max_lexer_states=20_000,
    max_grammar_size=100_000,
    verbose_errors=False,
)

# Several models of one service share a tokenizer.
_tokens: WeakKeyDictionary[PreTrainedTokenizerBase, dict[int, LLTokenizer]] = WeakKeyDictionary()
_tokens_lock = Lock()


class GrammarMatcher:
    """The state of one answer in a grammar; see contract.TokenMatcher."""

    def __init__(self, guide: GrammarGuide, matcher: LLMatcher, end_id: int, vocabulary_size: int) -> None:
        self._guide = guide
        self._matcher = matcher
        self._end_id = end_id
        self._vocabulary_size = vocabulary_size

    def find_allowed(self, stop_ids: frozenset[int]) -> NDArray[np.bool_]:
        """Return for each token whether it is allowed next."""
        is_complete = self._matcher.is_stopped()
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        allowed = np.unpackbits(bits, count=self._vocabulary_size, bitorder="little").view(np.bool_)
        if is_complete:
            allowed[:] = False
        may_end = is_complete or self._matcher.is_accepting()
        allowed[self._end_id] = False  # the request may have other end tokens
        for token in stop_ids:
            if 0 <= token < len(allowed):
                allowed[token] = may_end
        if not allowed.any():
            raise GuideFailed(_describe_dead_end())
        return allowed

    def advance(self, token: int) -> None:
        """Take the next token of the answer."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            self._guide.is_spent = True  # its states may be too many, not those of this answer
        _check(self._matcher)


class GrammarGuide:
    """A compiled grammar; see contract.Guide."""

    def __init__(self, grammar: str, matcher: LLMatcher, end_id: int, vocabulary_size: int) -> None:
        self.grammar = grammar
        self._matcher = matcher
        self._end_id = end_id
        self._vocabulary_size = vocabulary_size
        self.is_spent = False
        """Whether the next request needs a new guide. All answers share states, whose number is limited."""
        self._starts = 0

    def start(self) -> GrammarMatcher:
        """Return a matcher at the beginning of an answer."""
        self._starts += 1
        self.is_spent = self.is_spent or self._starts > _MAX_STARTS
        return GrammarMatcher(self, self._matcher.deep_copy(), self._end_id, self._vocabulary_size)


class GuideCompiler:
    """Compiles grammars for one model; any thread may call it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_id: int) -> None:
        """Create a compiler.

        Args:
            tokenizer: Of the model.
            end_id: The token that ends an answer.
        """
        self._tokenizer = tokenizer
        self._end_id = end_id
        self._guides: OrderedDict[str, GrammarGuide] = OrderedDict()
        self._open: WeakSet[GrammarGuide] = WeakSet()
        """Guides that exist: those of requests, and the kept ones."""
        self._lock = Lock()

    def compile(self, grammar: str) -> GrammarGuide:
        """Return the guide of a grammar. The last ones are kept, as clients send the same grammar again.

        Args:
            grammar: In the Lark syntax of llguidance.

        Raises:
            GuideFailed: If the grammar is wrong or too complex.
            QueueFull: If the grammars of other requests take the memory that all may have.
        """
        with self._lock:
            guide = self._guides.pop(grammar, None)
        tokens = self.prepare()
        if guide is None or guide.is_spent:
            self._check_room(len(grammar))
            guide = self._build(grammar, tokens)
        with self._lock:
            self._open.add(guide)
            self._guides[grammar] = guide
            while len(self._guides) > _CACHED_GUIDES or sum(map(len, self._guides)) > _CACHED_CHARACTERS:
                self._guides.popitem(last=False)
        return guide

    def _check_room(self, characters: int) -> None:
        with self._lock:
            opened = [len(guide.grammar) for guide in self._open]
        if len(opened) >= _OPEN_GUIDES or sum(opened) + characters > _OPEN_CHARACTERS:
            raise QueueFull

    def _build(self, grammar: str, tokens: LLTokenizer) -> GrammarGuide:
        matcher = LLMatcher(tokens, LLMatcher.grammar_from_lark(grammar), log_level=0, limits=_LIMITS)
        _check(matcher)
        guide = GrammarGuide(grammar, matcher, self._end_id, tokens.vocab_size)
        guide.start().find_allowed(frozenset({self._end_id}))  # many grammars that are too complex fail here already
        return guide

    def prepare(self) -> LLTokenizer:
        """Return the tokens as llguidance reads them; it needs seconds for a large vocabulary.

        Raises:
            GuideFailed: If the tokenizer writes a token differently beside different tokens, as WordPiece does.
        """
        with _tokens_lock:
            known = _tokens.setdefault(self._tokenizer, {})
            if self._end_id not in known:
                known[self._end_id] = self._build_tokens()
            return known[self._end_id]

    def _build_tokens(self) -> LLTokenizer:
        if not isinstance(self._tokenizer, PreTrainedTokenizerFast):
            raise GuideFailed(_("the tokenizer of this model is written in Python and cannot keep answers to a form"))
        return build_reader(self._tokenizer, self._end_id)


def _check(matcher: LLMatcher) -> None:
    if not matcher.is_error():
        return
    error = _PLACE.sub("", matcher.get_error().removesuffix("<non-verbose/>")).strip()
    raise GuideFailed(_describe_dead_end() if error.startswith("NoExtension") else error)


def _describe_dead_end() -> str:
    return _("no token of the model continues the answer in this form")
