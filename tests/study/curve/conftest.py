"""Builds a small learning curve."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seodang.config.curve import CurveParams


@pytest.fixture
def make_curve(evaluate) -> Callable[..., CurveParams]:
    """Builds a learning curve on the tiny project, with changes."""

    def make(**changes) -> CurveParams:
        values = {
            "title_ko": "작은 곡선",
            "title_en": "A small curve",
            "records": [2, 4],
            "variants": ["single", "mix"],
            "mix_ratio": 0.5,
            "seeds": [1, 2],
            "held_in_tasks": ["sentiment"],
            "held_out_tasks": ["intent"],
            "recipes": [],
            "confidence": 0.95,
            "resamples": 1000,
            "seed": 1,
            "evaluate": evaluate,
        }
        return CurveParams.model_validate({**values, **changes})

    return make
