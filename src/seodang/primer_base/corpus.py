"""Generate the pretraining text of the primer base.

The text contains inputs of the scored families without labels and answers, and
questions with answers of other families. It contains no answer of a scored family;
a test checks this.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from seodang.primer import classification
from seodang.primer.families import Family, build_families
from seodang.primer.item import Item, WordSet, pick, read_lexicon, select_words
from seodang.records import Language, Record, detect_language, make_record

LANGUAGES: tuple[Language, ...] = ("ko", "en")


def iter_unlabelled_inputs(rng: random.Random, count: int) -> Iterator[str]:
    """Yield `count` inputs of the scored families, without instruction and answer."""
    sources = [
        family
        for family in build_families().values()
        if family.cluster not in ("ordering", "comparison", "arithmetic", "translation")
    ]
    yielded_count = 0
    while yielded_count < count:
        text = pick(rng, sources).generate(rng, pick(rng, LANGUAGES), "all").input
        if text:
            yielded_count += 1
            yield text


def iter_practice_records(rng: random.Random, remarks: Sequence[str], count: int) -> Iterator[Record]:
    """Yield `count` questions with answers of families that are never scored.

    Args:
        rng: Source of randomness.
        remarks: Lines of running text; the text families ask questions about them.
        count: Number of records.
    """
    families_by_name = build_practice_families()
    for _ in range(count):
        name = pick(rng, sorted(families_by_name))
        language = pick(rng, LANGUAGES)
        text = pick(rng, remarks)
        item = create_practice_item(rng, name, families_by_name[name], text, language)
        instruction = pick(rng, families_by_name[name].get_templates(language)).format(subject=item.subject)
        yield make_record(
            instruction=instruction,
            input=item.input,
            output=item.output,
            source="curriculum",
            task=name,
            cluster="practice",
            language=language,
        )


def create_practice_item(rng: random.Random, name: str, family: Family, text: str, language: Language) -> Item:
    """Return an item of a practice family; a text family asks about `text`."""
    return (
        _create_text_item(rng, name, text, language)
        if name in _TEXT_FAMILIES
        else family.generate(rng, language, "all")
    )


_TEXT_FAMILIES = (
    "copy",
    "continue",
    "first_word",
    "last_word",
    "contains_digit",
    "contains_word",
    "word_after",
    "tongue",
    "length",
    "last_letter",
)


_MAX_SHORT_WORDS = 6


def _create_text_item(rng: random.Random, name: str, text: str, language: Language) -> Item:
    """Return an item about one line of text; the line contains the answer."""
    words = text.split()[:14]
    no, yes = ("아니요", "네") if language == "ko" else ("no", "yes")
    line = " ".join(words)
    match name:
        case "copy":
            return Item(line, line)
        case "continue":
            cut = max(1, len(words) // 2)
            return Item(" ".join(words[:cut]), " ".join(words[cut:]) or line)
        case "first_word":
            return Item(line, words[0])
        case "last_word":
            return Item(line, words[-1])
        case "tongue":
            korean, english = ("한국어", "영어") if language == "ko" else ("Korean", "English")
            return Item(line, korean if detect_language(line) == "ko" else english)
        case "length":
            short, long = ("짧음", "김") if language == "ko" else ("short", "long")
            return Item(line, short if len(words) <= _MAX_SHORT_WORDS else long)
        case "last_letter":
            return Item(line, line[-1])
        case "contains_digit":
            inside = line if rng.random() < 0.5 else f"{line} {rng.randrange(100)}"
            return Item(inside, yes if any(letter.isdigit() for letter in inside) else no)
        case "contains_word":
            keyword = pick(rng, words) if rng.random() < 0.5 else pick(rng, read_lexicon("words")["nouns"][language])
            return Item(line, yes if keyword in words else no, subject=keyword)
        case _:
            position = rng.randrange(len(words))
            return Item(
                line, words[position + 1] if position + 1 < len(words) else words[position], subject=words[position]
            )


def _generate_same_or_different(rng: random.Random, language: Language, words: WordSet) -> Item:
    nouns = select_words("words", words)["nouns"][language]
    left = pick(rng, nouns)
    right = left if rng.random() < 0.5 else pick(rng, nouns)
    same, different = ("같음", "다름") if language == "ko" else ("same", "different")
    return Item(f"{left}, {right}", same if left == right else different)


def _generate_next_number(rng: random.Random, language: Language, words: WordSet) -> Item:
    start = rng.randrange(95)
    return Item(", ".join(str(start + step) for step in range(3)), str(start + 3))


def _generate_last_digit(rng: random.Random, language: Language, words: WordSet) -> Item:
    number = rng.randrange(10_000)
    return Item(str(number), str(number % 10))


# Instructions of each family, in Korean and in English.
_TEMPLATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "season": (
        ("어느 계절인가요?", "문장에 맞는 계절을 쓰세요."),
        ("Which season is it?", "Name the season of the sentence."),
    ),
    "room": (
        ("이 물건은 어디에 있나요?", "물건이 놓이는 곳을 쓰세요."),
        ("Where does this thing belong?", "Name the room of this thing."),
    ),
    "same": (
        ("두 낱말이 같은가요, 다른가요?",),
        ("Are the two words the same or different?",),
    ),
    "next_number": (
        ("다음에 올 수를 쓰세요.",),
        ("Which number comes next?",),
    ),
    "last_digit": (
        ("수의 마지막 숫자를 쓰세요.",),
        ("Write the last digit of the number.",),
    ),
    "copy": (
        ("다음 문장을 그대로 쓰세요.", "따라 쓰세요."),
        ("Copy the sentence.", "Repeat this text."),
    ),
    "continue": (
        ("다음 글을 이어서 쓰세요.", "문장을 완성하세요."),
        ("Continue the text.", "Finish the sentence."),
    ),
    "first_word": (
        ("첫 낱말을 쓰세요.",),
        ("Write the first word.",),
    ),
    "last_word": (
        ("마지막 낱말을 쓰세요.",),
        ("Write the last word.",),
    ),
    "contains_digit": (
        ("숫자가 들어 있나요?",),
        ("Does the text contain a digit?",),
    ),
    "contains_word": (
        ("'{subject}'라는 낱말이 있나요?",),
        ("Does it contain the word '{subject}'?",),
    ),
    "tongue": (
        ("어느 나라 말인가요?",),
        ("Which language is it?",),
    ),
    "length": (
        ("글이 짧은가요, 긴가요?",),
        ("Is the text short or long?",),
    ),
    "last_letter": (
        ("마지막 글자를 쓰세요.",),
        ("Write the last letter.",),
    ),
    "word_after": (
        ("'{subject}' 다음 낱말은 무엇인가요?",),
        ("Which word follows '{subject}'?",),
    ),
}


def build_practice_families() -> dict[str, Family]:
    """Return the practice families of the base; none of them is ever scored."""
    generators = {
        "season": classification.create_sentence_generator("season"),
        "room": classification.generate_room,
        "same": _generate_same_or_different,
        "next_number": _generate_next_number,
        "last_digit": _generate_last_digit,
    }
    # _create_text_item creates the items of the text families, so their generator is never called.
    return {
        name: Family("practice", generators.get(name, classification.generate_room), korean, english)
        for name, (korean, english) in _TEMPLATES.items()
    }
