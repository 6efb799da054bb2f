"""A recipe file of `seodang generate`: the teacher, its limits and prices, the budget, and what is asked."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from seodang.config.file_lines import parse_file_section
from seodang.config.recipe_kinds import RecipeParams
from seodang.config.section import Section
from seodang.i18n import _

_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_HIDDEN: Final = "***"  # in place of a value that may be a key: messages show values


class TeacherParams(Section):
    """An OpenAI-compatible endpoint and its model."""

    url: str
    """Address up to and including /v1, without a user, a password or a query."""
    model: Annotated[str, Field(min_length=1)]
    licence: Annotated[str, Field(min_length=1)]
    """Licence or terms of the teacher, which each record carries; a name that docs/licences.md knows."""
    key_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None
    """Name of the environment variable with the API key; null: the endpoint needs none."""
    is_idempotent: bool
    """Whether the endpoint bills a call once that comes twice with the same `Idempotency-Key`. If not, a call
    without an answer counts in the budget as paid."""
    structured_output: bool
    """Ask for JSON by the schema of a recipe (`response_format`); if not, for a numbered list."""

    @model_validator(mode="before")
    @classmethod
    def _hide_key(cls, raw: Any) -> Any:
        """Hide what stands for the name of a variable and is none, because it may be the key."""
        if not isinstance(raw, dict) or not isinstance(name := raw.get("key_env"), str) or _VARIABLE.fullmatch(name):
            return raw
        return {**raw, "key_env": _HIDDEN}

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not _is_address(url):
            raise ValueError(_("must be an address that begins with http:// or https://"))
        parts = urlsplit(url)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                _("must not contain a user, a password, a query or a fragment; the key belongs in key_env")
            )
        return url.rstrip("/")


def _is_address(url: str) -> bool:
    """Return whether a request can be sent to an address: with a host, a port that exists, and no blanks."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or port
        return False
    return is_valid and url.isprintable() and " " not in url


class LimitParams(Section):
    """How fast the teacher is asked, and how long it may take."""

    concurrency: Annotated[int, Field(ge=1, le=256)]
    """Calls in flight at a time."""
    requests_per_minute: PositiveInt | None
    """In any 60 seconds; null: no limit."""
    tokens_per_minute: PositiveInt | None
    """Of prompts and replies, in any 60 seconds; null: no limit."""
    timeout_seconds: PositiveFloat
    """For one reply."""
    attempts: Annotated[int, Field(ge=1, le=20)]
    """Of one call, where a further attempt can help: no answer, HTTP 408, 409, 425, 429 and 5xx, a cut response."""
    failures_in_a_row: PositiveInt
    """Calls without an answer, one after the other, after which the run stops."""


class BudgetParams(Section):
    """What the run may cost at most, over all restarts.

    Before a call the most that it can cost is reserved. Only a teacher that counts more tokens than that, such as
    hidden reasoning beyond `max_tokens`, can exceed the budget. The run then says so, and reserves more from then on.
    """

    tokens: PositiveInt | None
    """Of prompts and replies together; null: no limit."""
    money: PositiveFloat | None
    """In the currency of the prices; null: no limit."""


class PriceParams(Section):
    """What the teacher costs."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    prompt: NonNegativeFloat
    """Of a million tokens of prompts."""
    reply: NonNegativeFloat
    """Of a million tokens of replies."""


class GenerateParams(Section):
    """A recipe file: complete, because a paid run has no hidden settings."""

    output: Annotated[str, Field(min_length=1)]
    """Folder of records.jsonl, rejected.jsonl, manifest.json and the journal, relative to the folder of the project."""
    seed: NonNegativeInt
    """Of the selections that the recipe makes."""
    teacher: TeacherParams
    limits: LimitParams
    budget: BudgetParams
    prices: PriceParams | None
    """null: the teacher costs nothing."""
    recipe: RecipeParams

    @field_validator("output")
    @classmethod
    def _check_output(cls, output: str) -> str:
        if Path(os.path.normpath(output)).parts[:1] == ("data",):
            raise ValueError(
                _("must not be in data/, where the stage ingest reads each file; another folder: generated/NAME")
            )
        return output

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.budget.money is not None and self.prices is None:
            raise ValueError(_("budget.money needs prices; add them, or set budget.money: null"))
        if self.budget.money is None and self.budget.tokens is None:
            raise ValueError(_("budget needs a limit: tokens, money or both"))
        return self


def load_recipe(path: Path) -> GenerateParams:
    """Return a parsed recipe file.

    Raises:
        ParamsError: With all errors, each with its line and field.
    """
    return parse_file_section(GenerateParams, path)
