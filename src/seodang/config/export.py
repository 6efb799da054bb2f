"""Section `export` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from seodang.config.section import Section


class GgufExportParams(Section):
    """The file that `seodang export gguf` writes."""

    type: Literal["f32", "f16", "bf16", "q8_0"]
    """Numbers of the weights."""
    prompts: PositiveInt
    """Test prompts whose greedy answers by llama.cpp are compared with those of the service."""
    tokens: PositiveInt
    """Maximum number of compared tokens of each answer."""
    min_equal_share: Annotated[float, Field(ge=0, le=1)]
    """Share of equal answers below which nothing is exported."""


class ExportParams(Section):
    """The packaged model in the formats of other programs; no stage reads it."""

    gguf: GgufExportParams
