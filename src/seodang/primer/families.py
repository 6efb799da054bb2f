"""The task families of the primer: generators, prompt templates (lexicon/templates.yaml) and label sets."""

from __future__ import annotations

from dataclasses import dataclass

from seodang.primer import classification, open_answer, sentiment
from seodang.primer.item import Generator, read_lexicon
from seodang.records import Language


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of task in both languages."""

    cluster: str
    generate: Generator
    korean_templates: tuple[str, ...]  # prompt templates of the instruction; {subject} is the subject of the item
    english_templates: tuple[str, ...]
    labels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # closed label sets (ko, en)
    holds_out_words: bool = False  # whether its test items are made of words that no training record has

    def get_templates(self, language: Language) -> tuple[str, ...]:
        """Return the prompt templates of the instruction in `language`."""
        return self.korean_templates if language == "ko" else self.english_templates

    def get_choices(self, language: Language) -> tuple[str, ...]:
        """Return the closed label set in `language`; () for open answers."""
        return self.labels[0] if language == "ko" else self.labels[1]


# Families with open answers whose words can be held out. The others are about numbers or facts, or are never trained
# on.
_OPEN_WITH_WORDS = frozenset({"extract_name", "extract_place", "polite_rewrite", "count_items"})


def _create_family(
    name: str, cluster: str, generator: Generator, labels: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
) -> Family:
    """Return a family with its prompt templates from the lexicon."""
    templates = read_lexicon("templates")[name]
    holds_out_words = bool(labels[0]) or name in _OPEN_WITH_WORDS
    return Family(cluster, generator, tuple(templates["ko"]), tuple(templates["en"]), labels, holds_out_words)


def _create_sentence_family(name: str, cluster: str) -> Family:
    """Return a family whose sentences and labels are in lexicon/labels.yaml."""
    labels = (classification.load_sentence_labels(name, "ko"), classification.load_sentence_labels(name, "en"))
    return _create_family(name, cluster, classification.create_sentence_generator(name), labels)


def build_families() -> dict[str, Family]:
    """Return every family of the primer by name; all of them are trained on and scored."""
    return build_classification_families() | build_open_families()


def build_classification_families() -> dict[str, Family]:
    """Return the families with a closed label set."""
    return {
        "sentiment": _create_family(
            "sentiment",
            "sentiment",
            sentiment.generate_film_remark,
            (("부정", "중립", "긍정"), ("negative", "neutral", "positive")),
        ),
        "topic": _create_sentence_family("topic", "topic"),
        "intent": _create_sentence_family("intent", "topic"),
        "formality": _create_family(
            "formality", "style", classification.generate_formality, (("존댓말", "반말"), ("formal", "casual"))
        ),
        "sentence_type": _create_family(
            "sentence_type",
            "style",
            classification.generate_sentence_type,
            (("서술", "질문", "부탁"), ("statement", "question", "request")),
        ),
        "category": _create_sentence_family("category", "knowledge"),
    }


def build_open_families() -> dict[str, Family]:
    """Return the families with open answers."""
    families = {
        "extract_name": ("extraction", open_answer.generate_name_extraction),
        "extract_place": ("extraction", open_answer.generate_place_extraction),
        "polite_rewrite": ("rewriting", open_answer.generate_polite_rewrite),
        "reverse_list": ("ordering", open_answer.generate_list_reversal),
        "sort_numbers": ("ordering", open_answer.generate_number_sorting),
        "addition": ("arithmetic", open_answer.generate_addition),
        "count_items": ("arithmetic", open_answer.generate_item_count),
        "larger_number": ("comparison", open_answer.generate_larger_number),
        "capital": ("knowledge", open_answer.generate_capital),
        "antonym": ("knowledge", open_answer.generate_antonym),
        "translate_word": ("translation", open_answer.generate_word_translation),
    }
    return {name: _create_family(name, cluster, generator) for name, (cluster, generator) in families.items()}
