"""Compiled grammars take bounded memory. Run: pytest tests/inference/test_guide_cache.py"""

import pytest
from tests.constants import KOREAN

from seodang.inference.engine.contract import GuideFailed, QueueFull
from seodang.inference.guides import compiler
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_choice_body, build_grammar, build_regex_body
from seodang.primer_base.model import train_tokenizer

END = 1
# Each answer has states of its own: after which of the last characters was an "a"?
BRANCHING = build_grammar(build_regex_body("([a-z]*a[a-z]{40}|[a-z]*b[a-z]{40})+"))


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*KOREAN, "abcdefghijklmnopqrstuvwxyz"] * 20, vocab_size=420, context_length=512)


def test_many_grammars_are_not_kept(tokenizer):
    guides = GuideCompiler(tokenizer, END)
    for number in range(compiler._CACHED_GUIDES + 20):
        last = guides.compile(build_grammar(build_choice_body([f"a{number}"])))
    assert len(guides._guides) == compiler._CACHED_GUIDES
    assert guides.compile(last.grammar) is last


def test_a_few_long_grammars_are_not_kept(tokenizer, monkeypatch):
    monkeypatch.setattr(compiler, "_CACHED_CHARACTERS", 1000)
    guides = GuideCompiler(tokenizer, END)
    for number in range(5):
        guides.compile(build_grammar(build_choice_body([f"{number}" + "ab" * 200])))
    assert len(guides._guides) == 2
    guides.compile(build_grammar(build_choice_body(["ab" * 600])))
    assert guides._guides == {}


def test_a_grammar_is_compiled_again_after_many_answers(tokenizer, monkeypatch):
    monkeypatch.setattr(compiler, "_MAX_STARTS", 3)
    guides = GuideCompiler(tokenizer, END)
    guide = guides.compile("start: /[a-z]{3}/")
    for _ in range(2):  # the check of a new grammar has begun an answer, too
        guide.start()
    assert guides.compile(guide.grammar) is guide
    guide.start()
    assert guides.compile(guide.grammar) is not guide


def test_answers_before_do_not_make_a_grammar_fail_for_good(tokenizer, monkeypatch):
    """The states of all answers count together, so many complex answers make the next one fail."""
    letters = {letter: tokenizer.convert_tokens_to_ids(letter) for letter in "abcz"}
    monkeypatch.setattr(compiler, "_MAX_STARTS", 10**9)
    guides = GuideCompiler(tokenizer, END)

    def answer(number):
        matcher = guides.compile(BRANCHING).start()
        for place in range(40):
            matcher.find_allowed(frozenset({END}))
            matcher.advance(letters["abcz"[number >> place % 9 & 3]])

    failed = []
    for number in range(200):
        try:
            answer(number)
        except GuideFailed:
            failed.append(number)
            break
    assert failed
    answer(failed[0])


@pytest.mark.parametrize(("limit", "value"), [("_OPEN_GUIDES", 5), ("_OPEN_CHARACTERS", 1000)])
def test_the_grammars_of_all_open_requests_together_are_limited(tokenizer, monkeypatch, limit, value):
    monkeypatch.setattr(compiler, "_CACHED_GUIDES", 1)
    monkeypatch.setattr(compiler, limit, value)
    guides = GuideCompiler(tokenizer, END)
    grammars = [build_grammar(build_choice_body([f"{number}" + "ab" * 50])) for number in range(40)]
    held = []

    def open_all():
        for grammar in grammars:
            held.append(guides.compile(grammar).start())  # noqa: PERF401

    with pytest.raises(QueueFull):
        open_all()
    assert 3 <= len(held) <= 10
    assert guides.compile(held[-1]._guide.grammar)  # the same form needs no further memory
    held.clear()
    guides.compile(grammars[-1])
