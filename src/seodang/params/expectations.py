"""Section `expectations`: what a row and a data set must be."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from seodang.params.section import Section, Share

Action = Literal["reject", "warn", "off"]
RepairableAction = Literal["reject", "warn", "repair", "off"]


class ActionsParams(Section):
    """What becomes of a row that breaks a rule. The rule's id is the field's name with - for _.

    reject: to quarantine; warn: accepted, and the record says so; repair: mended, and the record says so; off: not looked at.
    """

    instruction_missing: Action


class LimitsParams(Section):
    """Bounds of the rules that have one."""

    min_instruction_characters: PositiveInt
    max_instruction_characters: PositiveInt
    max_input_characters: PositiveInt
    max_output_characters: PositiveInt


class DataSetParams(Section):
    """Bounds of the set as a whole; the run stops when one is broken."""

    max_quarantined_share: Share
    min_accepted: PositiveInt


class ExpectationsParams(Section):
    """What a row and a data set must be."""

    actions: ActionsParams
    limits: LimitsParams
    data_set: DataSetParams
