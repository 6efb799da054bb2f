"""The task families of the primer: which there are, how they are asked, what may be answered."""

from __future__ import annotations

from dataclasses import dataclass

from seodang.primer import classification, open_answer, sentiment
from seodang.primer.item import Generator
from seodang.records import Language


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of task in both languages."""

    cluster: str
    generate: Generator
    korean: tuple[str, ...]  # wordings of the instruction; {subject} is the item's
    english: tuple[str, ...]
    labels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # closed label sets (ko, en)

    def wordings(self, language: Language) -> tuple[str, ...]:
        """Return the wordings of the instruction in `language`."""
        return self.korean if language == "ko" else self.english

    def choices(self, language: Language) -> tuple[str, ...]:
        """Return the closed label set in `language`; () for open answers."""
        return self.labels[0] if language == "ko" else self.labels[1]


def _sentence_family(cluster: str, name: str, korean: tuple[str, ...], english: tuple[str, ...]) -> Family:
    labels = tuple(classification.sentence_labels(name, language) for language in ("ko", "en"))
    return Family(cluster, classification.labelled_sentence(name), korean, english, (labels[0], labels[1]))


def families() -> dict[str, Family]:
    """Return every family that is tuned and scored, by name."""
    return classification_families() | open_families()


def classification_families() -> dict[str, Family]:
    """Return the families with a closed label set."""
    return {
        "sentiment": Family(
            "sentiment",
            sentiment.film_remark,
            (
                "다음 영화 감상의 감정을 분석하세요.",
                "이 감상은 부정, 중립, 긍정 중 무엇인가요?",
                "다음 문장의 감정을 부정, 중립, 긍정 중 하나로 분류하세요.",
            ),
            (
                "What is the sentiment of this film remark?",
                "Classify the remark as negative, neutral or positive.",
                "Analyse the sentiment of the sentence.",
            ),
            (("부정", "중립", "긍정"), ("negative", "neutral", "positive")),
        ),
        "topic": _sentence_family(
            "topic",
            "topic",
            (
                "다음 문장의 주제를 고르세요: 음식, 운동, 날씨, 여행, 학교.",
                "무엇에 대한 문장인가요?",
                "문장의 주제를 한 단어로 분류하세요.",
            ),
            (
                "What is the sentence about: food, sport, weather, travel or school?",
                "Name the topic of the sentence in one word.",
                "Classify the topic.",
            ),
        ),
        "intent": _sentence_family(
            "topic",
            "intent",
            (
                "고객의 말을 배송, 환불, 예약, 칭찬 중 하나로 분류하세요.",
                "이 고객은 무엇을 말하나요?",
                "고객 문의의 의도를 고르세요.",
            ),
            (
                "Sort the customer's message: delivery, refund, booking or praise.",
                "What does this customer want?",
                "Name the intent of the message.",
            ),
        ),
        "formality": Family(
            "style",
            classification.formality,
            ("다음 문장은 존댓말인가요, 반말인가요?", "문장의 말투를 분류하세요.", "존댓말과 반말 중에서 고르세요."),
            ("Is the sentence formal or casual?", "Classify the style of the sentence.", "Choose: formal or casual."),
            (("존댓말", "반말"), ("formal", "casual")),
        ),
        "sentence_type": Family(
            "style",
            classification.sentence_type,
            (
                "다음 문장은 서술, 질문, 부탁 중 무엇인가요?",
                "문장의 종류를 고르세요.",
                "문장을 종류에 따라 분류하세요.",
            ),
            (
                "Is this a statement, a question or a request?",
                "Name the type of the sentence.",
                "Classify the sentence by its type.",
            ),
            (("서술", "질문", "부탁"), ("statement", "question", "request")),
        ),
        "category": _sentence_family(
            "knowledge",
            "category",
            (
                "무엇에 대한 문장인가요: 동물, 과일, 탈것, 직업, 가구, 악기?",
                "문장에 나온 것은 어떤 종류인가요?",
                "문장에 나온 것을 종류로 분류하세요.",
            ),
            (
                "What kind of thing is in the sentence: animal, fruit, vehicle, job, furniture or instrument?",
                "Name the kind of the thing in the sentence.",
                "Classify the thing in the sentence.",
            ),
        ),
    }


def open_families() -> dict[str, Family]:
    """Return the families with open answers."""
    return {
        "extract_name": Family("extraction", open_answer.extract_name, ("문장에서 사람 이름을 찾으세요.", "누구에 대한 문장인가요?"), ("Find the name of the person.", "Who is the sentence about?")),
        "extract_place": Family("extraction", open_answer.extract_place, ("문장에서 장소를 찾으세요.", "어디에 대한 문장인가요?"), ("Find the place in the sentence.", "Which place does the sentence name?")),
        "polite_rewrite": Family("rewriting", open_answer.polite_rewrite, ("다음 문장을 존댓말로 바꾸세요.", "더 공손하게 고쳐 쓰세요."), ("Write the sentence without contractions.", "Rewrite it in full forms.")),
        "reverse_list": Family("ordering", open_answer.reverse_list, ("낱말의 순서를 거꾸로 쓰세요.", "목록을 뒤집으세요."), ("Reverse the order of the words.", "Write the list backwards.")),
        "sort_numbers": Family("ordering", open_answer.sort_numbers, ("수를 작은 것부터 차례로 쓰세요.", "오름차순으로 정렬하세요."), ("Sort the numbers from small to large.", "Put the numbers in ascending order.")),
        "addition": Family("arithmetic", open_answer.addition, ("덧셈을 계산하세요.", "두 수를 더하면 얼마인가요?"), ("Compute the sum.", "Add the two numbers.")),
        "count_items": Family("arithmetic", open_answer.count_items, ("낱말이 모두 몇 개인지 세세요.", "목록에 낱말이 몇 개 있나요?"), ("Count the words in the list.", "How many words are there?")),
        "larger_number": Family("comparison", open_answer.larger_number, ("더 큰 수를 고르세요.", "두 수 중 큰 것은 무엇인가요?"), ("Choose the larger number.", "Which number is larger?")),
        "capital": Family("knowledge", open_answer.capital, ("{subject}의 수도는 어디인가요?", "{subject}의 수도 이름을 쓰세요."), ("What is the capital of {subject}?", "Name the capital city of {subject}.")),
        "antonym": Family("knowledge", open_answer.antonym, ("다음 낱말의 반대말을 쓰세요.", "뜻이 반대인 낱말은 무엇인가요?"), ("Give the opposite of the word.", "Which word means the opposite?")),
        "translate_word": Family("translation", open_answer.translate_word, ("다음 영어 낱말을 한국어로 옮기세요.", "이 낱말은 한국어로 무엇인가요?"), ("Translate the Korean word into English.", "What is this word in English?")),
    }  # fmt: skip
