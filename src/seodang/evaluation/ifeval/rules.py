"""The rule of each instruction id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seodang.evaluation.ifeval import counting_rules as counting
from seodang.evaluation.ifeval import form_rules as form
from seodang.evaluation.ifeval import korean_rules as korean
from seodang.evaluation.ifeval.arguments import Arguments

Rule = Callable[[str, Arguments], bool]
"""Takes an answer that is not blank, returns whether it follows the instruction."""

RULES: Final[dict[str, Rule]] = {
    "change_case:capital_word_frequency": counting.has_capital_word_frequency,
    "change_case:english_capital": form.is_english_uppercase,
    "change_case:english_lowercase": form.is_english_lowercase,
    "combination:repeat_prompt": form.has_repeated_prompt,
    "combination:two_responses": form.has_two_responses,
    "detectable_content:number_placeholders": form.has_placeholders,
    "detectable_content:postscript": form.has_postscript,
    "detectable_format:constrained_response": form.is_constrained_response,
    "detectable_format:json_format": form.is_json,
    "detectable_format:multiple_sections": form.has_sections,
    "detectable_format:number_bullet_lists": form.has_bullets,
    "detectable_format:number_highlighted_sections": form.has_highlights,
    "detectable_format:title": form.has_title,
    "keywords:existence": counting.has_keywords,
    "keywords:forbidden_words": counting.has_no_forbidden_word,
    "keywords:frequency": counting.has_keyword_frequency,
    "keywords:letter_frequency": counting.has_letter_frequency,
    "korean:no_latin_letters": korean.has_no_latin_letter,
    "korean:number_characters": korean.has_character_count,
    "korean:number_eojeols": korean.has_eojeol_count,
    "korean:sentence_endings": korean.has_sentence_endings,
    "language:response_language": form.is_in_language,
    "length_constraints:nth_paragraph_first_word": counting.has_paragraph_first_word,
    "length_constraints:number_paragraphs": counting.has_paragraph_count,
    "length_constraints:number_sentences": counting.has_sentence_count,
    "length_constraints:number_words": counting.has_word_count,
    "punctuation:no_comma": form.has_no_comma,
    "startend:end_checker": form.has_end_phrase,
    "startend:quotation": form.is_quoted,
}
