"""Section `expectations`: what a row and a data set must be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, PositiveInt

from seodang.config.section import Ratio, Section
from seodang.records import Language


def _coerce_off(value: object) -> object:
    """Return "off" for false: YAML 1.1 reads an unquoted `off` as that."""
    return "off" if value is False else value


Action = Annotated[Literal["reject", "warn", "off"], BeforeValidator(_coerce_off)]
RepairableAction = Annotated[Literal["reject", "warn", "repair", "off"], BeforeValidator(_coerce_off)]


class ActionsParams(Section):
    """What becomes of a row that breaks a rule. The rule's id is the field's name with - for _.

    reject: to quarantine; warn: accepted, and the record says so; repair: mended, and the record says so; off: not looked at.
    """

    instruction_missing: Action
    instruction_blank: Action
    output_missing: Action
    output_blank: Action
    instruction_not_text: Action
    input_not_text: Action
    output_not_text: Action
    system_not_text: Action
    rejected_not_text: Action
    label_unknown: Action
    text_missing: Action
    row_ragged: Action
    row_unreadable: Action
    turns_malformed: Action
    media_part: Action
    oversized: Action
    pair_equal: Action
    instruction_too_short: Action
    instruction_too_long: Action
    input_too_long: Action
    output_too_long: Action
    too_many_tokens: RepairableAction
    lone_surrogate: Action
    mojibake: Action
    replacement_character: Action
    control_character: RepairableAction
    not_nfc: RepairableAction
    zero_width: RepairableAction
    special_token: Action
    prompt_marker: Action
    html_entity: RepairableAction
    html_break: RepairableAction
    html_tag: Action
    unfilled_placeholder: Action
    bracketed_blank: Action
    placeholder_input: RepairableAction
    placeholder_output: Action
    personal_resident_number: RepairableAction
    personal_phone: RepairableAction
    personal_email: RepairableAction
    personal_card: RepairableAction
    secret_key: RepairableAction
    output_equals_instruction: Action
    instruction_echo: Action
    output_equals_input: Action
    refusal: Action
    asks_back: Action
    truncated: Action
    repetition: Action
    loop: Action
    output_quoted: RepairableAction
    output_language: Action
    foreign_script: Action
    missing_input: Action
    input_thin: Action
    external_link: Action
    external_media: Action
    beyond_text: Action
    current_data: Action
    claimed_action: Action
    human_experience: Action
    bare_number: Action
    wrong_result: Action
    duplicate: Action
    contradiction: Action
    several_answers: Action


class LimitsParams(Section):
    """Bounds of the rules that have one."""

    min_instruction_characters: PositiveInt
    max_instruction_characters: PositiveInt
    max_input_characters: PositiveInt
    max_output_characters: PositiveInt
    max_label_characters: PositiveInt
    """An answer about an input that is no longer than this counts as a label: another label to the same question contradicts it."""
    max_tokens: PositiveInt | None
    """Of the chosen model, prompt and answer together; None: not checked."""
    max_refusal_characters: PositiveInt
    """A longer answer is no refusal alone."""
    max_repeated_ratio: Ratio
    """Of an answer's four-word groups, those that occurred before."""
    max_loop: PositiveInt
    """Times that an answer's end is said in a row."""
    min_other_language_words: PositiveInt
    """Words of the other language from which on an answer is in it."""
    min_article_characters: PositiveInt
    """Of the input, where an article or another long text is to be worked on."""
    max_bare_answer_characters: PositiveInt
    """A longer answer to a calculation is taken to show its working."""


class UpperBound(Section):
    """A figure of the set and the most it may be."""

    action: Action
    maximum: Ratio


class LowerBound(Section):
    """A figure of the set and the least it may be."""

    action: Action
    minimum: Ratio


class RowCountLowerBound(Section):
    """A number of rows and the fewest there may be."""

    action: Action
    minimum: PositiveInt


class LanguageLowerBound(Section):
    """A share of each language named."""

    action: Action
    minimum: dict[Language, Ratio]


class DatasetParams(Section):
    """What holds of the set as a whole. reject: the run stops; warn: the report and the log say so; off: not looked at."""

    quarantined_ratio: UpperBound
    """Rows in quarantine, of all rows."""
    source_quarantined_ratio: UpperBound
    """Rows in quarantine, of each source's."""
    accepted_count: RowCountLowerBound
    """Accepted rows."""
    unique_ratio: LowerBound
    """Different rows, of all rows."""
    language_ratio: LanguageLowerBound
    """Accepted rows of a language, of all accepted."""
    label_ratio: UpperBound
    """The commonest answer of a task with a closed label set, of the task's accepted rows."""
    drift: UpperBound
    """Total variation distance (0 same, 1 nothing in common) of languages, tasks and lengths to the last accepted run."""


class ExpectationsParams(Section):
    """What a row and a data set must be."""

    actions: ActionsParams
    limits: LimitsParams
    dataset: DatasetParams
