"""Identification of an answer's language by its script, and by letters and common words where languages share a script.

The module knows the languages of IFEval's prompts and their neighbours. It returns None for a few words that it cannot
assign. A statistical detector, such as langdetect in the published rules, would return the likeliest language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

# Scripts of one language each; identify_language() checks Hangul and kana first.
_SCRIPT_LANGUAGES: Final = {
    "BENGALI": "bn",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "THAI": "th",
    "GREEK": "el",
    "HEBREW": "he",
    "HANGUL": "ko",
    "CJK": "zh",
}
_COMMON_WORDS: Final = {
    "DEVANAGARI": {
        "hi": "है हैं और का की के में से को पर यह वह नहीं भी था थी थे लिए कि ने जो क्या",
        "mr": "आहे आहेत आणि हे ती मध्ये नाही होते होता होती च्या साठी मी आम्ही तुम्ही हा ही केले करणे असे पण या",
        "ne": "छ छन् र हो पनि यो त्यो गर्न भएको गरेको हुन्छ थियो थिए तर छैन तपाईं हामी छु गर्छ गर्नुहोस् लागि",
    },
    "ARABIC": {
        "ar": "في من على إلى أن هذا هذه التي الذي مع كان لا ما هو هي عن كل أو ثم",
        "fa": "و در به از که این است را با برای آن می های بود شد یک تا هم شما کنید",
        "ur": "ہے ہیں کے کی کا میں اور سے کو نے پر یہ وہ نہیں بھی تھا ایک کہ ہم آپ",
    },
    "CYRILLIC": {
        "ru": "и в не на что я он с как это по но они мы к из у за то все для был",
        "bg": "и на да се за от е са не в по със като че но или това този тази ще си беше",
        "uk": "і та що не на в до це як але з є для він вона ми ви щоб",
    },
    "LATIN": {
        "en": "the of and to in is that it for you was with on are this be as have not at by or from your i a we will can",
        "de": "der die das und ist nicht ein eine zu den mit von für auf sich ich sie es im auch wir dass wie",
        "it": "il la di che è e un una per non in con del della sono gli le si mi anche come più ma",
        "pt": "o a de que e um uma para não em com do da é os as se mais por mas como você seu sua na no",
        "es": "el la de que y en un una los las para no por con es se del su más como pero",
        "fr": "le la les de des et un une est que pour dans en pas ne je il elle nous vous avec sur ce",
        "nl": "de het een en van is niet dat in op te zijn met voor ik je maar ook",
        "fi": "ja on ei se että hän en mutta joka ovat oli kun niin tai mitä minä sinä tämä kuin myös voi jos",
        "sw": "na ya wa kwa ni katika la za kuwa hii huo hiyo yake sana lakini au kama watu mimi sisi wewe cha vya",
        "vi": "và là của có không được cho một trong với các những người tôi bạn này đã để khi như",
        "id": "yang dan di ini itu dengan untuk tidak dari pada adalah akan saya kami anda",
        "tr": "ve bir bu için ile da çok ne olarak daha gibi ben sen ama değil",
    },
}
# Letters that only one of the languages of a script has.
_UNIQUE_LETTERS: Final = {
    "ru": "ыэё",
    "uk": "їєґ",
    "fa": "ژگپچ",
    "ur": "ٹڈڑںے",
    "ar": "ةإأ",
    "mr": "ळ",
    "vi": "ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "de": "ß",
    "tr": "ğış",
}
_KOREAN_RATIO: Final = 0.3  # of the letters, as in records.detect_language
_KANA_RATIO: Final = 0.1
_SEPARATORS: Final = re.compile(r"[\s\d\"'“”‘’«».,!?;:()\[\]{}<>*#|/\\_~`।॥،؟؛…—–-]+")

LANGUAGES: Final = frozenset(
    {"ja", *_SCRIPT_LANGUAGES.values(), *(language for group in _COMMON_WORDS.values() for language in group)}
)
"""ISO 639-1 codes of the languages that can be identified."""


def identify_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's main language; None where it is unclear."""
    text = unicodedata.normalize("NFC", text)
    scripts = Counter(script for letter in text if letter.isalpha() for script in [_get_script(letter)])
    letters = scripts.total()
    if not letters:
        return None
    if scripts["HANGUL"] / letters >= _KOREAN_RATIO:
        return "ko"
    if (scripts["HIRAGANA"] + scripts["KATAKANA"]) / letters >= _KANA_RATIO:
        return "ja"
    script = scripts.most_common(1)[0][0]
    return _SCRIPT_LANGUAGES.get(script) or _identify_by_words(text.lower(), script)


def is_latin(text: str) -> bool:
    """Return whether a text has letters, all of the basic Latin alphabet."""
    letters = [letter for letter in text if letter.isalpha()]
    return bool(letters) and all(letter.isascii() for letter in letters)


def _get_script(letter: str) -> str:
    """Return the first word of a letter's Unicode name, which is its script for the scripts of this module."""
    return unicodedata.name(letter, "?").partition(" ")[0]


def _identify_by_words(text: str, script: str) -> str | None:
    """Return the language with the most common words and unique letters; None where two languages are equal."""
    words = [word for word in _SEPARATORS.split(text) if word]
    scores = []
    for language, common in _COMMON_WORDS.get(script, {}).items():
        known, letters = set(common.split()), set(_UNIQUE_LETTERS.get(language, ""))
        scores.append((sum((word in known) + bool(letters.intersection(word)) for word in words), language))
    best, second = sorted([*scores, (0, ""), (0, "")], reverse=True)[:2]
    return best[1] if best[0] > second[0] else None
