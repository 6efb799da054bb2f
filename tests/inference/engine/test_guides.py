"""Guided answers in the engine. Run: pytest tests/inference/engine/test_guides.py"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import torch
from tests.inference.engine.test_transformers_engine import PROMPTS, make_model, request
from transformers import PreTrainedTokenizerFast

from seodang.inference.engine.contract import GuideFailed
from seodang.inference.engine.sampling import choose_token
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_grammar, build_regex_body

END = 1


class EvenGuide:
    """Allows six tokens of even number, then the end; it fails at the token `failing`."""

    grammar = "even"

    def __init__(self, failing=None):
        self.failing = failing

    def start(self):
        return EvenMatcher(self.failing)


class EvenMatcher:
    def __init__(self, failing):
        self.count, self.failing = 0, failing

    def find_allowed(self, stop_ids):
        if self.count == self.failing:
            raise GuideFailed("too complex")
        may_end = self.count >= 6
        return np.array([(token in stop_ids) if may_end else (token % 2 == 0 and token > 5) for token in range(100)])

    def advance(self, token):
        assert token % 2 == 0
        self.count += 1


def run(model, *requests):
    async def read(engine, asked):
        try:
            return [step async for step in engine.submit(asked)]
        except GuideFailed as error:
            return error

    async def run_all():
        engine = TransformersEngine(model, [END], Limits(max_running=8))
        answers = await asyncio.gather(*(read(engine, asked) for asked in requests))
        await engine.close(5)
        return answers

    return asyncio.run(run_all())


@pytest.mark.parametrize("name", ["llama", "a window shorter than some rows", "recurrent states"])
@pytest.mark.parametrize(
    "options", [{}, {"temperature": 1.5, "seed": 3}, {"frequency_penalty": 2.0, "logit_bias": {7: 100.0, 9: 50.0}}]
)
def test_a_guided_answer_has_allowed_tokens_only_and_ends_where_it_may(name, options):
    torch.manual_seed(0)
    (steps,) = run(make_model(name), request(PROMPTS[0], guide=EvenGuide(), top_logprobs=1, **options))
    tokens = [step.token for step in steps]
    assert len(tokens) == 7
    assert tokens[-1] == END
    assert steps[-1].finish_reason == "stop"
    assert all(token % 2 == 0 for token in tokens[:-1])
    assert all(step.logprob.logprob <= step.logprob.alternatives[0][1] for step in steps)


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_other_end_tokens_and_the_limit_hold(name):
    model = make_model(name)
    short, other = run(
        model,
        request(PROMPTS[0], guide=EvenGuide(), max_new_tokens=4),
        request(PROMPTS[0], guide=EvenGuide(), stop_ids=frozenset({8})),
    )
    assert [step.finish_reason for step in short] == [None] * 3 + ["length"]
    assert other[-1].token == 8
    assert other[-1].finish_reason == "stop"


@pytest.mark.parametrize("name", ["llama", "recurrent states"])
def test_unguided_neighbors_keep_their_answers(name):
    model = make_model(name)
    plain = [request(prompt) for prompt in PROMPTS[:5]]
    sampled = [request(prompt, temperature=1.0, seed=4) for prompt in PROMPTS[:3]]
    guided = [request(prompt, guide=EvenGuide(failing)) for prompt, failing in zip(PROMPTS, (None, 0, 3), strict=False)]
    alone = [run(model, asked)[0] for asked in (*plain, *sampled)]
    beside = run(model, *plain, *guided, *sampled)
    assert [*beside[: len(plain)], *beside[len(plain) + len(guided) :]] == alone
    first, second, third = beside[len(plain) : len(plain) + len(guided)]
    assert first[-1].token == END
    assert isinstance(second, GuideFailed)
    assert isinstance(third, GuideFailed)


def test_logits_beyond_the_tokenizer_are_never_chosen():
    logits = torch.tensor([0.0, 1.0, 2.0, 9.0])
    options = request([5], guide=EvenGuide()).options
    assert choose_token(logits, options, {}, None, np.array([True, True, False])) == 1
    assert choose_token(logits, options, {}, None, np.array([True, False, False, False, True, True])) == 0


def build_tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    import json

    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    from seodang.primer_base.model import train_tokenizer

    texts = ["안녕하세요 반갑습니다 hello world 가나다라 이 영화는"] * 50

    def build_sentencepiece(*, adds_blank):
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        blank = [normalizers.Prepend("▁")] if adds_blank else []
        tokenizer.normalizer = normalizers.Sequence([*blank, normalizers.Replace(" ", "▁")])
        strip = [decoders.Strip(" ", 1, 0)] if adds_blank else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        names = ["<unk>", "</s>", "<pad>", *(f"<0x{byte:02X}>" for byte in range(256))]
        tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=names))
        state = json.loads(tokenizer.to_str())
        state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < 3]
        return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), eos_token="</s>")

    return {
        "byte-level": train_tokenizer(texts, vocab_size=400, context_length=128),
        "llama": build_sentencepiece(adds_blank=True),
        "gemma": build_sentencepiece(adds_blank=False),
    }


@pytest.mark.parametrize("name", ["byte-level", "llama", "gemma"])
@pytest.mark.parametrize("text", ["힣힣 안녕하세요", "쀍\n👍🏽 world", "a 가"])
def test_the_tokens_of_a_form_are_its_text(name, text):
    tokenizer = build_tokenizers()[name]
    compiler = GuideCompiler(tokenizer, tokenizer.eos_token_id)
    matcher = compiler.compile(build_grammar(build_regex_body(text))).start()
    for start in (0, 1):  # the shortest tokens, then the longest
        matcher = compiler.compile(build_grammar(build_regex_body(text))).start()
        ids: list[int] = []
        while True:
            allowed = [token for token, byte in enumerate(matcher.find_allowed(frozenset({END}))) if byte]
            if allowed == [END]:
                break
            ids.append(allowed[0] if start == 0 else allowed[-1])
            matcher.advance(ids[-1])
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert len(ids) < 80


def test_the_last_guides_are_kept():
    tokenizer = build_tokenizers()["byte-level"]
    compiler = GuideCompiler(tokenizer, END)
    grammars = [build_grammar(build_regex_body(f"a{number}")) for number in range(70)]
    first = compiler.compile(grammars[-1])
    assert compiler.compile(grammars[-1]) is first
    for grammar in grammars[:-1]:
        compiler.compile(grammar)
    assert compiler.compile(grammars[-1]) is not first
