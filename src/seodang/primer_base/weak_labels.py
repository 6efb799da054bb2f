"""Label running text by features that have a meaning: tone, politeness, sentence type, origin and kind of thing.

The labels are weak: a rating, an ending, a punctuation mark or a word of a lexicon decides, and some are wrong.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from seodang.config import EpisodeParams
from seodang.hangul.sounds import FINAL_BIEUP, get_final
from seodang.primer_base.corpus import LANGUAGES
from seodang.primer_base.text_pool import (
    MAX_WORDS,
    Classes,
    TextPool,
    create_pool,
    has_held_out_word,
    index_words,
    iter_short_texts,
    split_words,
)
from seodang.primer_base.wordnet_kinds import read_kinds
from seodang.records import Language

_MAX_NEGATIVE, _MIN_POSITIVE = 4, 9  # ratings of NSMC's rule
_CHAT_COPIES, _MAX_LINES = 3, 15_000  # of a class: chat is a smaller part of the text, but its sentences are cleaner
_POOL_LINES = 120_000  # of each language
_MIN_TONE = 1.5  # summed valence of a text that is not neutral
_SENTENCE_BREAK = re.compile(r"[.!?] ")
_NEGATIONS = {"not", "no", "never", "without"}
_POLITE = re.compile(r"(요|[가-힣]니다|[가-힣]니까|시오)[.!?~^ㅎㅋ]*$")
_CASUAL = re.compile(r"(다|어|아|해|지|네|야|래|자|냐|니|라|군|음|함|임)[.!?~^ㅎㅋ]*$")
_REQUEST = re.compile(
    r"(주세요|하세요|보세요|마세요|줘요|해줘|줘라|해라|봐라|마라|보자|하자|바랍니다|부탁드립니다)[.!~^ㅎㅋ]*$"
)
_MIXED = re.compile(
    r"그럭저럭|그저 ?그|그냥 ?그래|그냥 ?그런|보통이|평범한|쏘쏘|볼만은|킬링 ?타임|중간 ?정도|나쁘지 ?않|나쁘진 ?않"
)


def split_politeness(texts: Iterable[str]) -> Classes:
    """Return Korean texts by the ending of their sentence: polite or casual."""
    kept = [text for text in texts if not _SENTENCE_BREAK.search(text)]
    return {
        "polite": [text for text in kept if _is_polite(text)],
        "casual": [text for text in kept if _CASUAL.search(text) and not _is_polite(text)],
    }


def _is_polite(text: str) -> bool:
    """Return whether a sentence ends in -요 or in the formal style, where ㅂ comes before 니다 (합니다, but 아니다)."""
    match = _POLITE.search(text)
    if match is None:
        return False
    ending = match[1]
    return not ending.endswith(("니다", "니까")) or get_final(ending[0]) == FINAL_BIEUP


def split_sentence_types(texts: Iterable[str]) -> Classes:
    """Return sentences by their type: a question mark or, in Korean, the ending of a request decides."""
    types: dict[str, list[str]] = {"question": [], "request": [], "statement": []}
    for text in texts:
        if not _SENTENCE_BREAK.search(text):
            is_request = _REQUEST.search(text)
            types["question" if text.endswith("?") else "request" if is_request else "statement"].append(text)
    return {name: found for name, found in types.items() if found}


def read_reviews(path: Path) -> Classes:
    """Return Korean film reviews by their rating, from a file of NSMC with a column `rating`; its mixed ones are empty.

    Reviews whose words say that the film is average are mixed.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    negative = [row["document"] for row in rows if int(row["rating"]) <= _MAX_NEGATIVE]
    positive = [row["document"] for row in rows if int(row["rating"]) >= _MIN_POSITIVE]
    return {
        "negative": [text for text in _select_short(negative) if not _MIXED.search(text)],
        "positive": [text for text in _select_short(positive) if not _MIXED.search(text)],
    }


def _select_short(reviews: Iterable[str]) -> list[str]:
    """Return the reviews that need not be cut, because the tone of a part can differ."""
    return list(iter_short_texts((text for text in reviews if len(text.split()) <= MAX_WORDS), "ko"))


def collect_kind_texts(kinds: Mapping[str, Sequence[str]], words: Classes) -> Classes:
    """Return the texts that contain a word of a kind; a word of several kinds stands for none."""
    counts = Counter(word for members in kinds.values() for word in members)
    texts = {
        kind: [
            text
            for word in members
            if counts[word] == 1 and word in words and not has_held_out_word(word, "en")
            for text in (word, *words[word][:8])
        ]
        for kind, members in kinds.items()
    }
    return {kind: found for kind, found in texts.items() if found}


def select_mixed_reviews(texts: Iterable[str]) -> list[str]:
    """Return the Korean reviews whose words say that the film is average."""
    return [text for text in texts if _MIXED.search(text)]


def read_valences(path: Path) -> dict[str, float]:
    """Return the valence of English words, -4 to 4, from the lexicon of VADER."""
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    return {row[0]: float(row[1]) for row in rows if row[0].isalpha()}


def split_tone(texts: Iterable[str], valences: Mapping[str, float]) -> Classes:
    """Return English texts by the summed valence of their words; texts with a negation are left out."""
    tones: dict[str, list[str]] = {"negative": [], "neutral": [], "positive": []}
    for text in texts:
        words = split_words(text)
        if _NEGATIONS & set(words) or any("n't" in word for word in words):
            continue
        values = [valences[word] for word in words if word in valences]
        if not values:
            tones["neutral"].append(text)
        elif abs(sum(values)) >= _MIN_TONE and min(values) * max(values) > 0:
            tones["positive" if sum(values) > 0 else "negative"].append(text)
    return tones


def build_pools(lines: Sequence[str], chat: Sequence[str], episodes: EpisodeParams) -> dict[Language, TextPool]:
    """Return the texts of the episodes by language.

    Args:
        lines: Running text in both languages.
        chat: Korean questions and answers.
        episodes: Names the files that some features need.
    """
    pools: dict[Language, TextPool] = {}
    for language in LANGUAGES:
        texts = list(islice(iter_short_texts(lines, language), _POOL_LINES))
        short_chat = list(iter_short_texts(chat, language)) if language == "ko" else []
        natural = collect_natural_texts(texts, short_chat, language, episodes)
        pools[language] = create_pool(language, [*short_chat, *texts], natural)
    return pools


def collect_natural_texts(
    lines: Sequence[str], chat: Sequence[str], language: Language, episodes: EpisodeParams
) -> dict[str, Classes]:
    """Return the texts of each feature with a meaning: feature -> class -> texts.

    Args:
        lines: Short texts (`iter_short_texts`) without those of `chat`.
        chat: Short Korean questions and answers; empty in English.
        language: Of the texts.
        episodes: Names the files that some features need.
    """
    if language == "ko":
        return _collect_korean_texts(lines, chat, episodes)
    glosses = {text for text in lines if ": " in text}
    features: dict[str, Classes] = {
        "sentence": split_sentence_types(lines),
        "origin": {"example": [text for text in lines if text not in glosses], "gloss": sorted(glosses)},
    }
    if episodes.valences:
        features["tone"] = split_tone(lines, read_valences(Path(episodes.valences)))
    if episodes.wordnet:
        features["kind"] = collect_kind_texts(read_kinds(Path(episodes.wordnet)), index_words(lines))
    return features


def _collect_korean_texts(lines: Sequence[str], chat: Sequence[str], episodes: EpisodeParams) -> dict[str, Classes]:
    features: dict[str, Classes] = {"origin": {"review": lines, "chat": chat}}
    for name, split in (("politeness", split_politeness), ("sentence", split_sentence_types)):
        from_chat, from_lines = split(chat), split(lines)
        features[name] = {
            key: [*list(from_chat.get(key, ())) * _CHAT_COPIES, *from_lines.get(key, ())[:_MAX_LINES]]
            for key in {**from_chat, **from_lines}
        }
    if episodes.reviews:
        mixed = select_mixed_reviews(text for text in lines if len(text.split()) < MAX_WORDS)
        features["tone"] = {**read_reviews(Path(episodes.reviews)), "neutral": mixed}
    return features
