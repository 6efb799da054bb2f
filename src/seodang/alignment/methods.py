"""Methods of preference tuning: one object for each value of align.method that trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from seodang.config import AlignParams


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentMethod:
    """Everything that differs between methods, besides the loss."""

    name: str
    starts_from_tuned: bool
    """Whether training continues the tuned adapter, which is also the reference; else a new adapter of the base."""
    uses_single_answers: bool = False
    """Whether it learns from single answers with a thumb; a pair is then two of them."""
    uses_rewards: bool = False
    """Whether it learns from rewards of its own answers to prompts; then no preferences are needed."""


METHODS: Final[Mapping[str, AlignmentMethod]] = MappingProxyType(
    {
        method.name: method
        for method in (
            AlignmentMethod(name="dpo", starts_from_tuned=True),
            AlignmentMethod(name="kto", starts_from_tuned=True, uses_single_answers=True),
            AlignmentMethod(name="orpo", starts_from_tuned=False),
            AlignmentMethod(name="grpo", starts_from_tuned=True, uses_rewards=True),
        )
    }
)
"""By the value of align.method."""


def get_alignment_method(align: AlignParams) -> AlignmentMethod:
    """Return the method of the parameters, which is not "none"."""
    return METHODS[align.method]
