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
    korean_templates: tuple[str, ...]  # wordings of the instruction; {subject} is the item's
    english_templates: tuple[str, ...]
    labels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # closed label sets (ko, en)

    def get_templates(self, language: Language) -> tuple[str, ...]:
        """Return the wordings of the instruction in `language`."""
        return self.korean_templates if language == "ko" else self.english_templates

    def get_choices(self, language: Language) -> tuple[str, ...]:
        """Return the closed label set in `language`; () for open answers."""
        return self.labels[0] if language == "ko" else self.labels[1]


def _create_sentence_family(
    cluster: str, name: str, korean_templates: tuple[str, ...], english_templates: tuple[str, ...]
) -> Family:
    labels = tuple(classification.load_sentence_labels(name, language) for language in ("ko", "en"))
    return Family(
        cluster,
        classification.create_sentence_generator(name),
        korean_templates,
        english_templates,
        (labels[0], labels[1]),
    )


def build_families() -> dict[str, Family]:
    """Return every family that is tuned and scored, by name."""
    return build_classification_families() | build_open_families()


def build_classification_families() -> dict[str, Family]:
    """Return the families with a closed label set."""
    return {
        "sentiment": Family(
            "sentiment",
            sentiment.generate_film_remark,
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
        "topic": _create_sentence_family(
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
        "intent": _create_sentence_family(
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
            classification.generate_formality,
            ("다음 문장은 존댓말인가요, 반말인가요?", "문장의 말투를 분류하세요.", "존댓말과 반말 중에서 고르세요."),
            ("Is the sentence formal or casual?", "Classify the style of the sentence.", "Choose: formal or casual."),
            (("존댓말", "반말"), ("formal", "casual")),
        ),
        "sentence_type": Family(
            "style",
            classification.generate_sentence_type,
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
        "category": _create_sentence_family(
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


def build_open_families() -> dict[str, Family]:
    """Return the families with open answers."""
    return {
        "extract_name": Family("extraction", open_answer.generate_name_extraction, ("문장에서 사람 이름을 찾으세요.", "누구에 대한 문장인가요?"), ("Find the name of the person.", "Who is the sentence about?")),
        "extract_place": Family("extraction", open_answer.generate_place_extraction, ("문장에서 장소를 찾으세요.", "어디에 대한 문장인가요?"), ("Find the place in the sentence.", "Which place does the sentence name?")),
        "polite_rewrite": Family("rewriting", open_answer.generate_polite_rewrite, ("다음 문장을 존댓말로 바꾸세요.", "더 공손하게 고쳐 쓰세요."), ("Write the sentence without contractions.", "Rewrite it in full forms.")),
        "reverse_list": Family("ordering", open_answer.generate_list_reversal, ("낱말의 순서를 거꾸로 쓰세요.", "목록을 뒤집으세요."), ("Reverse the order of the words.", "Write the list backwards.")),
        "sort_numbers": Family("ordering", open_answer.generate_number_sorting, ("수를 작은 것부터 차례로 쓰세요.", "오름차순으로 정렬하세요."), ("Sort the numbers from small to large.", "Put the numbers in ascending order.")),
        "addition": Family("arithmetic", open_answer.generate_addition, ("덧셈을 계산하세요.", "두 수를 더하면 얼마인가요?"), ("Compute the sum.", "Add the two numbers.")),
        "count_items": Family("arithmetic", open_answer.generate_item_count, ("낱말이 모두 몇 개인지 세세요.", "목록에 낱말이 몇 개 있나요?"), ("Count the words in the list.", "How many words are there?")),
        "larger_number": Family("comparison", open_answer.generate_larger_number, ("더 큰 수를 고르세요.", "두 수 중 큰 것은 무엇인가요?"), ("Choose the larger number.", "Which number is larger?")),
        "capital": Family("knowledge", open_answer.generate_capital, ("{subject}의 수도는 어디인가요?", "{subject}의 수도 이름을 쓰세요."), ("What is the capital of {subject}?", "Name the capital city of {subject}.")),
        "antonym": Family("knowledge", open_answer.generate_antonym, ("다음 낱말의 반대말을 쓰세요.", "뜻이 반대인 낱말은 무엇인가요?"), ("Give the opposite of the word.", "Which word means the opposite?")),
        "translate_word": Family("translation", open_answer.generate_word_translation, ("다음 영어 낱말을 한국어로 옮기세요.", "이 낱말은 한국어로 무엇인가요?"), ("Translate the Korean word into English.", "What is this word in English?")),
    }  # fmt: skip
