"""Words, sentences, paragraphs and languages of answers."""

import pytest

from seodang.evaluation.ifeval.languages import LANGUAGES, identify_language
from seodang.evaluation.ifeval.text import split_paragraphs, split_sentences, split_words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("비가 온다. 우산이 없다! 어떡하지?", 3),
        ("비가 온다.그래서 집에 있다.", 2),
        ("그가 말했다. “가자.” 모두 일어났다.", 3),
        ('그는 "그만하세요."라고 했다.', 1),
        ('답은 "네."입니다. 끝.', 2),
        ("할 일:\n1. 씻기\n2. 먹기\n3) 자기", 4),
        ("정말...? 믿을 수 없다…", 2),
        ("값은 3.5만 원이다.", 1),
        ("마침표가 없다", 1),
        ("첫 줄\n둘째 줄", 1),
        ("雨が降る。風が吹く。", 2),
        ("It rains. I have no umbrella! What now?", 3),
        ("Dr. Kim and Mr. Lee met at 3 p.m. in Seoul.", 1),
        ("The U.S. economy grew, e.g. by 2.5 percent.", 1),
        ("J. K. Rowling wrote it.", 1),
        ("1. First point.\n2. Second point.", 2),
        ("I said no. See Fig. 3 and No. 4.", 2),
        ('"Stop!" he said.', 1),
        ("all is small. really small.", 2),
        ("He left (at last). She stayed.", 2),
        ("Wait... what?! Yes.", 2),
        ("1. 1. 1. 1. 1.", 0),
        ("1. 2. 3. 시작한다. 끝.", 2),
        ("", 0),
        ("...", 0),
    ],
)
def test_sentences_are_counted(text, count):
    assert len(split_sentences(text)) == count, split_sentences(text)


def test_sentences_hold_all_words():
    assert split_sentences("하나다. 둘이다! 셋") == ["하나다.", "둘이다!", "셋"]


def test_korean_words_are_those_between_blanks():
    assert split_words("나는 오늘, 학교에 갔다.") == ["나는", "오늘", "학교에", "갔다"]
    assert split_words("\u1112\u1161\u11ab글") == ["한글"]


def test_a_blank_paragraph_is_forgiven_at_the_ends_only():
    assert split_paragraphs("***a***b***", "***") == ["a", "b"]
    assert split_paragraphs("a*** ***b", "***") is None
    assert split_paragraphs("", "***") == []


# Sentences of our own, one for each language.
SPOKEN = {
    "ar": "هذا هو البيت الذي كان في المدينة مع الحديقة",
    "bg": "Това е къщата, която се намира в града, и тя ще бъде голяма",
    "bn": "আজ আবহাওয়া খুব ভালো",
    "de": "Das ist das Haus, und wir sind mit dem Zug nicht zu spät",
    "en": "This is the house that we have seen in the town",
    "es": "Esta es la casa que está en el pueblo y es muy grande",
    "fa": "این خانه ای است که در شهر بود و با ما هم آن را دید",
    "fi": "Tämä on talo, joka on kaupungissa, mutta minä en ole siellä",
    "fr": "Voici la maison qui est dans la ville et nous ne sommes pas là",
    "gu": "આજે હવામાન ખૂબ સારું છે",
    "hi": "यह घर शहर में है और हम नहीं जानते कि वह क्या था",
    "it": "Questa è la casa che si trova in città e non è del signore",
    "ja": "これは町にある家です",
    "kn": "ಇಂದು ಹವಾಮಾನ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ",
    "ko": "이것은 마을에 있는 집입니다",
    "mr": "हे घर शहरात आहे आणि ते मोठे नाही पण मी तिथे होते",
    "ne": "यो घर सहरमा छ र त्यो पनि ठूलो छैन तर हामी त्यहाँ थियो",
    "pa": "ਅੱਜ ਮੌਸਮ ਬਹੁਤ ਵਧੀਆ ਹੈ",
    "pt": "Esta é a casa que não está na cidade, mas você é do campo e uma pessoa",
    "ru": "Это дом, который мы видели в городе, и он был для нас",
    "sw": "Hii ni nyumba ya watu wa mji na sisi ni katika shule lakini si kwa sana",
    "ta": "இன்று வானிலை மிகவும் நன்றாக உள்ளது",
    "te": "ఈ రోజు వాతావరణం చాలా బాగుంది",
    "th": "วันนี้อากาศดีมาก",
    "ur": "یہ گھر شہر میں ہے اور وہ بھی نہیں تھا کہ ہم نے دیکھا",
    "vi": "Đây là ngôi nhà của những người bạn trong thành phố và không được lớn",
    "zh": "这是城里的房子",
}


@pytest.mark.parametrize("language", SPOKEN)
def test_the_language_of_a_sentence_is_identified(language):
    assert identify_language(SPOKEN[language]) == language


def test_all_languages_of_the_ifeval_prompts_can_be_identified():
    languages = set("hi kn mr vi ko sw de pa fa ru bg pt gu te it ar ta fi ur th ne bn".split())
    assert languages <= LANGUAGES
    assert languages <= set(SPOKEN)


def test_korean_full_of_latin_names_is_korean():
    assert identify_language("OpenAI가 만든 GPT는 언어 모델입니다") == "ko"


@pytest.mark.parametrize("text", ["", "42!", "Seoul", "xyzzy plugh"])
def test_an_unclear_language_is_not_guessed(text):
    assert identify_language(text) is None
