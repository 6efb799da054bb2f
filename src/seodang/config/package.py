"""Section `package` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from seodang.config.section import Name, Section


class PackageParams(Section):
    """The served model."""

    name: Name
    """Name in the BentoML model store. Some licences require a beginning: docs/licences.md."""
    intended_use: Literal["research", "non-commercial", "commercial"] | None
    """What the model is for; a use that licences of base, sources or teachers forbid is refused. Null: not declared."""
    parity_prompts: PositiveInt
    parity_tokens: PositiveInt
    """Greedy tokens that are compared for each prompt."""
    max_new_tokens: PositiveInt
    """Maximum that a request may ask for."""
