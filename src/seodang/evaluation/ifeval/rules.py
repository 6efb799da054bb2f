"""The rule of each instruction id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seodang.evaluation.ifeval import counting_rules as counting
from seodang.evaluation.ifeval import form_rules as form
from seodang.evaluation.ifeval.arguments import Arguments

Rule = Callable[[str, Arguments], bool]
"""Takes an answer that isn't blank, tells whether it follows the instruction."""

RULES: Final[dict[str, Rule]] = {
    "change_case:capital_word_frequency": counting.capital_word_frequency,
    "change_case:english_capital": form.capitals,
    "change_case:english_lowercase": form.small_letters,
    "combination:repeat_prompt": form.repeats_prompt,
    "combination:two_responses": form.two_responses,
    "detectable_content:number_placeholders": form.placeholders,
    "detectable_content:postscript": form.postscript,
    "detectable_format:constrained_response": form.constrained,
    "detectable_format:json_format": form.is_json,
    "detectable_format:multiple_sections": form.sections,
    "detectable_format:number_bullet_lists": form.bullets,
    "detectable_format:number_highlighted_sections": form.highlights,
    "detectable_format:title": form.title,
    "keywords:existence": counting.keywords_exist,
    "keywords:forbidden_words": counting.no_forbidden_word,
    "keywords:frequency": counting.keyword_frequency,
    "keywords:letter_frequency": counting.letter_frequency,
    "language:response_language": form.in_language,
    "length_constraints:nth_paragraph_first_word": counting.first_word_of_paragraph,
    "length_constraints:number_paragraphs": counting.number_of_paragraphs,
    "length_constraints:number_sentences": counting.number_of_sentences,
    "length_constraints:number_words": counting.number_of_words,
    "punctuation:no_comma": form.no_comma,
    "startend:end_checker": form.ends_with,
    "startend:quotation": form.quoted,
}
