"""Generate few-shot episodes: texts with labels, in which the label of a text follows from the texts before it.

Most tasks are invented in the moment. Texts that share a word, an ending or a template get a random word as their
label. Only the examples say what it means. Others have a meaning (tone, politeness, kind of thing, ...), with several
names for each label. No task uses a text, an instruction or a held-out word of the primer's families.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from seodang.primer.item import pick
from seodang.primer_base.text_pool import Classes, TextPool
from seodang.records import Language

_MAX_EXAMPLES = 12
MAX_CLASSES = 6
_CLOZE_RATIO, _NAMED_RATIO = 0.4, 0.1  # of the tasks about words: the label is a missing word, or a word of the text
_CLOZE_TEXTS = 60  # of a class; the others cost time only

INSTRUCTIONS: Mapping[Language, Sequence[str]] = {
    "ko": (
        "알맞은 라벨을 쓰세요.",
        "다음 글을 분류하세요.",
        "이 글은 어디에 속하나요?",
        "글의 갈래를 고르세요.",
        "어느 쪽인가요?",
        "이 문장은 무엇인가요?",
        "보기에서 고르세요: {labels}.",
        "{labels} 중에서 하나를 쓰세요.",
        "이 글은 {labels} 중 어느 것인가요?",
        "글을 {labels}|로 나누세요.",
    ),
    "en": (
        "Write the label that fits.",
        "Sort this text.",
        "Which group does the text belong to?",
        "Choose the class of the text.",
        "Which one is it?",
        "What is this text?",
        "Pick one: {labels}.",
        "Is it {labels}?",
        "Write one of {labels}.",
        "Sort the text into {labels}.",
    ),
}
# Feature -> names of its classes, one set of which an episode uses.
NAMES: Mapping[Language, Mapping[str, Sequence[Mapping[str, str]]]] = {
    "ko": {
        "tone": (
            {"negative": "부정", "neutral": "중립", "positive": "긍정"},
            {"negative": "나쁨", "neutral": "보통", "positive": "좋음"},
            {"negative": "별로예요", "neutral": "그저 그래요", "positive": "좋아요"},
            {"negative": "비추천", "neutral": "중간", "positive": "추천"},
            {"negative": "악평", "neutral": "평범", "positive": "호평"},
        ),
        "politeness": (
            {"polite": "존댓말", "casual": "반말"},
            {"polite": "높임말", "casual": "낮춤말"},
            {"polite": "공손함", "casual": "편함"},
        ),
        "sentence": (
            {"question": "물음", "statement": "풀이", "request": "요청"},
            {"question": "의문문", "statement": "평서문", "request": "명령문"},
        ),
        "origin": ({"review": "영화평", "chat": "대화"}, {"review": "감상", "chat": "채팅"}),
    },
    "en": {
        "tone": (
            {"negative": "negative", "neutral": "neutral", "positive": "positive"},
            {"negative": "bad", "neutral": "plain", "positive": "good"},
            {"negative": "sad", "neutral": "calm", "positive": "happy"},
        ),
        "sentence": ({"question": "asks", "statement": "says"}, {"question": "question", "statement": "sentence"}),
        "origin": ({"example": "example", "gloss": "dictionary"},),
    },
}


@dataclass(frozen=True, slots=True)
class LabelTask:
    """Classes of texts with their labels."""

    classes: Classes
    """Label -> texts."""
    is_invented: bool
    """Whether a label means nothing outside the episode."""


@dataclass(frozen=True, slots=True)
class EpisodeExample:
    """A text of an episode with its label."""

    instruction: str
    input: str
    output: str
    is_predictable: bool
    """Whether the label follows from the text itself or from an earlier example."""


def generate_episode(rng: random.Random, pool: TextPool) -> list[EpisodeExample]:
    """Return the examples of one episode in the order of the prompt."""
    task = pick(rng, _list_tasks(pool))(rng, pool)
    labels = sorted(task.classes, key=lambda _label: rng.random())
    instructions = [_fill_labels(pick(rng, INSTRUCTIONS[pool.language]), labels, pool.language) for _ in range(3)]
    if rng.random() < 0.15:  # any line can stand where the instruction stands
        instructions = [pick(rng, pool.lines) for _ in range(3)]
    examples: list[EpisodeExample] = []
    seen: set[str] = set()
    for _ in range(rng.randint(3, _MAX_EXAMPLES)):
        label = pick(rng, labels)
        text = pick(rng, task.classes[label])
        examples.append(
            EpisodeExample(pick(rng, instructions), text, label, not task.is_invented or label in seen),
        )
        seen.add(label)
    return examples


def _fill_labels(template: str, labels: Sequence[str], language: Language) -> str:
    last = " or " if language == "en" else ", "
    return template.replace("{labels}", last.join([", ".join(labels[:-1]), labels[-1]])).replace("|로", " 중 하나로")


def _invent(rng: random.Random, pool: TextPool, classes: Classes) -> LabelTask:
    """Return a task in which each class has a random word as its label."""
    names = rng.sample(pool.label_words, len(classes))
    return LabelTask(dict(zip(names, classes.values(), strict=True)), is_invented=True)


def _pick_classes(rng: random.Random, keys: Sequence[str], classes: Classes) -> Classes:
    return {key: classes[key] for key in rng.sample(keys, rng.randint(2, MAX_CLASSES))}


def _make_word_task(rng: random.Random, pool: TextPool) -> LabelTask:
    """Return a task whose texts share a word; the label is a random word, or the word itself, which texts can lack."""
    classes = _pick_classes(rng, pool.word_keys, pool.words)
    roll = rng.random()
    if roll < _CLOZE_RATIO:
        gaps = {word: [_remove_word(text, word) for text in texts[:_CLOZE_TEXTS]] for word, texts in classes.items()}
        if all(map(any, gaps.values())):
            return LabelTask({word: list(filter(None, texts)) for word, texts in gaps.items()}, is_invented=False)
    if roll < _CLOZE_RATIO + _NAMED_RATIO:
        return LabelTask(classes, is_invented=False)
    return _invent(rng, pool, classes)


def _remove_word(text: str, word: str) -> str:
    return " ".join(part for part in text.split() if word not in part.lower())


def _make_ending_task(rng: random.Random, pool: TextPool) -> LabelTask:
    return _invent(rng, pool, _pick_classes(rng, pool.ending_keys, pool.endings))


def _make_template_task(rng: random.Random, pool: TextPool) -> LabelTask:
    """Return a task whose classes are one to three templates each, with random words in their slots."""
    count = rng.randint(2, MAX_CLASSES)
    per_class = rng.randint(1, 3)
    return _invent(
        rng, pool, {str(n): [t for _ in range(per_class) for t in _fill_template(rng, pool)] for n in range(count)}
    )


def _fill_template(rng: random.Random, pool: TextPool) -> list[str]:
    """Return variants of one line, in which one or two words vary."""
    words = pick(rng, pool.lines).split()[:8]
    slots = rng.sample(range(len(words)), min(len(words) - 1, rng.randint(1, 2)))
    texts = []
    for _ in range(6):
        for slot in slots:
            words[slot] = pick(rng, pool.label_words)
        texts.append(" ".join(words))
    return texts


def _make_natural_task(rng: random.Random, pool: TextPool) -> LabelTask:
    """Return a task about a feature that a text has by itself, with names of the classes or random words as labels."""
    feature = pick(rng, sorted(pool.natural))
    classes = dict(pool.natural[feature])
    if len(classes) > MAX_CLASSES:
        classes = dict(_pick_classes(rng, sorted(classes), classes))
    elif len(classes) == 3 and rng.random() < 0.25:
        del classes[pick(rng, sorted(classes))]
    if rng.random() < 0.4:
        return _invent(rng, pool, classes)
    name_sets = NAMES[pool.language].get(feature)
    names = pick(rng, name_sets) if name_sets else {key: key for key in classes}
    return LabelTask({names[key]: texts for key, texts in classes.items()}, is_invented=False)


def _list_tasks(pool: TextPool) -> list[Callable[[random.Random, TextPool], LabelTask]]:
    """Return the kinds of tasks that a pool has enough texts for; a kind that stands twice is drawn twice as often."""
    return [
        *([_make_word_task] * 2 if len(pool.word_keys) >= MAX_CLASSES else []),
        *([_make_ending_task] if len(pool.ending_keys) >= MAX_CLASSES else []),
        *[_make_template_task] * 2,
        *([_make_natural_task] * 2 if pool.natural else []),
    ]
