"""Section `prompt` of params.yaml."""

from __future__ import annotations

from typing import Literal

from seodang.config.section import Section

PromptFormat = Literal["alpaca", "koalpaca", "chat", "plain"]


class PromptParams(Section):
    """How a request is rendered in training, evaluation and serving."""

    format: PromptFormat
