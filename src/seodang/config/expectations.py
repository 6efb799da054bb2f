"""Section `expectations`: the checks of rows and of the data set."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, PositiveInt

from seodang.config.section import Ratio, Section
from seodang.records import Language


def _coerce_off(value: object) -> object:
    """Return "off" for false: YAML 1.1 reads an unquoted `off` as that."""
    return "off" if value is False else value


Action = Annotated[Literal["reject", "warn", "off"], BeforeValidator(_coerce_off)]
RepairableAction = Annotated[Literal["reject", "warn", "repair", "off"], BeforeValidator(_coerce_off)]


class ActionsParams(Section):
    """The action for a row that violates a rule. The id of a rule is the name of its field with - for _.

    reject: the row goes to quarantine. warn: the record is accepted and carries a warning. repair: the row is repaired
    and the record says so. off: the rule is not checked.
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
    not_learned: Action
    loss_flag_unclear: Action
    oversized: Action
    pair_equal: Action
    rejected_blank: Action
    pair_truncated: Action
    rejected_language: Action
    record_rejected: Action
    record_doubtful: Action
    answer_corrected: Action
    pair_reversed: Action
    preference_missing: Action
    held_out: Action
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
    escaped_text: RepairableAction
    special_token: Action
    prompt_marker: Action
    html_entity: RepairableAction
    html_break: RepairableAction
    html_tag: Action
    unfilled_placeholder: Action
    bracketed_blank: Action
    placeholder_input: RepairableAction
    placeholder_output: Action
    spreadsheet_error: Action
    rounded_number: Action
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
    pair_both_orders: Action
    label_conflict: Action


class LimitsParams(Section):
    """Limits of the rules that have one."""

    min_instruction_characters: PositiveInt
    max_instruction_characters: PositiveInt
    max_input_characters: PositiveInt
    max_output_characters: PositiveInt
    max_label_characters: PositiveInt
    """An output up to this length, given an input, counts as a label; two labels for one input are a contradiction."""
    max_tokens: PositiveInt | None
    """Tokens of prompt and answer, counted by the model's tokenizer; null: train.max_length, which training reads."""
    max_refusal_characters: PositiveInt
    """A longer answer is not taken for a refusal."""
    max_repeated_ratio: Ratio
    """Share of the 4-grams of words in an answer that occurred before in it."""
    max_loop: PositiveInt
    """Maximum consecutive repetitions at the end of an answer."""
    min_other_language_words: PositiveInt
    """Minimum words in the other language for an answer to count as written in it."""
    min_article_characters: PositiveInt
    """Minimum length of the input where the instruction asks about an article or another long text."""
    max_bare_answer_characters: PositiveInt
    """A longer answer to a calculation is assumed to show its steps."""


class UpperBound(Section):
    """A metric of the data set and its maximum."""

    action: Action
    maximum: Ratio


class LowerBound(Section):
    """A metric of the data set and its minimum."""

    action: Action
    minimum: Ratio


class RowCountLowerBound(Section):
    """A number of rows and its minimum."""

    action: Action
    minimum: PositiveInt


class LanguageLowerBound(Section):
    """The minimum share of each language."""

    action: Action
    minimum: dict[Language, Ratio]


class DatasetParams(Section):
    """Checks of the data set. reject: the run stops; warn: the report and the log say so; off: not checked."""

    quarantined_ratio: UpperBound
    """Share of the rows that are quarantined."""
    source_quarantined_ratio: UpperBound
    """Share of the rows of each source that are quarantined."""
    accepted_count: RowCountLowerBound
    """Number of accepted rows."""
    unique_ratio: LowerBound
    """Share of the rows that are distinct."""
    language_ratio: LanguageLowerBound
    """Share of each language among the accepted rows."""
    label_ratio: UpperBound
    """Share of the most frequent answer among the accepted rows of a task with labels."""
    drift: UpperBound
    """Total variation distance of languages, tasks and lengths to the last accepted run; 0 equal, 1 disjoint."""
    pair_length_bias: UpperBound
    """Share of the preference pairs whose chosen (or rejected) answer is the longer one: lower end of its interval."""


class ExpectationsParams(Section):
    """The checks of rows and of the data set."""

    actions: ActionsParams
    limits: LimitsParams
    dataset: DatasetParams

    def bound_tokens(self, max_length: int) -> Self:
        """Return the checks with a limit of tokens: limits.max_tokens, else what training reads."""
        maximum = max_length if self.limits.max_tokens is None else min(self.limits.max_tokens, max_length)
        return self.model_copy(update={"limits": self.limits.model_copy(update={"max_tokens": maximum})})
