"""Generate short Korean and English film remarks with their sentiment."""

from __future__ import annotations

import random
from typing import Any

from seodang.primer.item import Item, WordSet, pick, select_words
from seodang.primer.korean import drop_copula, list_endings
from seodang.records import Language

Words = dict[str, Any]  # one language of lexicon/sentiment.yaml

LABELS: dict[Language, dict[str, str]] = {
    "ko": {"negative": "부정", "neutral": "중립", "positive": "긍정"},
    "en": {"negative": "negative", "neutral": "neutral", "positive": "positive"},
}


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _generate_korean_predicate(rng: random.Random, words: Words, feeling: str) -> str:
    """Return a predicate of a feeling in a random form."""
    stem, connective = pick(rng, words[feeling])
    return pick(rng, list_endings(stem, connective))


def _select_negatable(words: Words, feeling: str) -> list[list[str]]:
    """Return the predicates that can have -지 않다: no negations, copulas and past forms."""
    return [pair for pair in words[feeling] if not pair[0].endswith(("않", "없", "이", "었", "봤"))]


def _generate_negation(rng: random.Random, words: Words, feeling: str) -> str:
    """Return a negated feeling: 별로 재미있지 않았어 is negative."""
    stem, _ = pick(rng, _select_negatable(words, feeling))
    adverb = pick(rng, ["별로", "전혀", "하나도", "그다지", "생각보다"])
    return f"{adverb} {pick(rng, list_endings(f'{stem}지 않', f'{stem}지 않아'))}"


def _generate_contrast(rng: random.Random, words: Words, feeling: str) -> str:
    """Return a remark with a contrast: the opposite expectation first, the feeling last."""
    other = {"positive": "negative", "negative": "positive"}[feeling]
    lead = drop_copula(*pick(rng, words[other])) + pick(rng, ["다더니", "다고 해서 봤는데", "다는 평을 봤지만"])
    return _join(lead, pick(rng, words["adverbs"]), _generate_korean_predicate(rng, words, feeling))


def _generate_mixed_remark(rng: random.Random, words: Words) -> str:
    """Return a remark with praise and criticism and a neutral end."""
    good, bad = (pick(rng, _select_negatable(words, feeling))[0] for feeling in ("positive", "negative"))
    parts = ["연기", "영상", "음악", "초반", "액션", "배우", "연출", "결말", "스토리"]
    first, second = rng.sample(parts, 2)
    josa = {"배우": "배우는", "스토리": "스토리는", "연기": "연기는"}
    left, right = josa.get(first, f"{first}은"), josa.get(second, f"{second}은")
    return f"{left} {good}지만 {right} {bad}다. {pick(rng, words['neutral_tails'])}"


def _generate_korean_remark(rng: random.Random, words: Words, feeling: str) -> str:
    subject = pick(rng, words["subjects"]) if rng.random() < 0.8 else ""
    roll = rng.random()
    if feeling == "neutral":
        adverb = pick(rng, words["calm_adverbs"]) if rng.random() < 0.6 else ""
        remark = (
            _generate_mixed_remark(rng, words)
            if roll < 0.08
            else _join(subject, adverb, _generate_korean_predicate(rng, words, feeling))
        )
        return f"{remark}{pick(rng, words['suffixes'])}"
    if roll < 0.12:
        remark = _generate_contrast(rng, words, feeling)
    elif feeling == "negative" and roll < 0.24:
        remark = _join(subject, _generate_negation(rng, words, "positive"))
    else:
        adverb = pick(rng, words["adverbs"]) if rng.random() < 0.65 else ""
        remark = _join(subject, adverb, _generate_korean_predicate(rng, words, feeling))
    mood = words["glad_suffixes"] if feeling == "positive" else words["sad_suffixes"]
    return f"{remark}{pick(rng, words['suffixes'] + mood)}"


def _generate_english_remark(rng: random.Random, words: Words, feeling: str) -> str:
    if feeling != "neutral" and rng.random() < 0.1:
        verb, part = pick(rng, words[f"{feeling}_verbs"]), pick(rng, words["parts"])
        return f"I {verb} the {part}{pick(rng, words['suffixes'])}"
    if rng.random() < 0.15:
        return f"{pick(rng, words[f'{feeling}_remarks'])}{pick(rng, words['suffixes'])}"
    adverbs = words["calm_adverbs"] if feeling == "neutral" else words["adverbs"]
    complement = pick(rng, words[feeling])
    plain = " " not in complement
    adverb = pick(rng, adverbs) if rng.random() < (0.5 if plain else 0.15) else ""
    remark = _join(pick(rng, words["subjects"]), adverb, complement)
    if rng.random() < 0.2:
        remark = f"{remark}. {pick(rng, words[f'{feeling}_remarks'])}"
    return f"{remark}{pick(rng, words['suffixes'])}"


def generate_film_remark(rng: random.Random, language: Language, words: WordSet) -> Item:
    """Return a film remark and its label."""
    feeling = pick(rng, ["negative", "neutral", "positive"])
    generate = _generate_korean_remark if language == "ko" else _generate_english_remark
    remark = generate(rng, select_words("sentiment", words)[language], feeling)
    return Item(input=remark, output=LABELS[language][feeling])
