"""Recipes with a scripted teacher, without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seodang.config.recipe import GenerateParams
from seodang.synthesis.calls import Call, Failure, Generated, Outcome, Refusal, Reply
from seodang.synthesis.recipes import build_recipe

TEACHER = {
    "url": "http://127.0.0.1:1/v1",
    "model": "teacher-1",
    "licence": "Apache-2.0",
    "key_env": None,
    "is_idempotent": False,
    "structured_output": False,
}
LIMITS = {
    "concurrency": 4,
    "requests_per_minute": None,
    "tokens_per_minute": None,
    "timeout_seconds": 60.0,
    "attempts": 3,
    "failures_in_a_row": 5,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "self-instruct": {
        "language": "ko", "seeds": "primer", "tasks": 50, "max_calls": 4, "calls_per_round": 2, "tasks_per_call": 20,
        "examples_per_call": 3, "max_rouge_l": 0.7, "min_words": 3, "max_words": 150, "temperature": 1.0,
        "max_tokens": 3000,
    },
    "translate": {"language": "ko", "tasks": "tasks.jsonl", "limit": None, "tasks_per_call": 3, "temperature": 0.3, "max_tokens": 2000},
    "answer": {"prompts": "prompts.jsonl", "limit": None, "tasks_per_call": 1, "temperature": 0.7, "max_tokens": 500},
    "rewrite": {"quarantine": "quarantine.jsonl", "limit": None, "params": None, "temperature": 0.3, "max_tokens": 500},
    "preference": {"prompts": "prompts.jsonl", "limit": None, "judge_max_tokens": 200, "temperature": 1.0, "max_tokens": 500},
}  # fmt: skip

Answer = str | tuple[str, str] | None
"""What a scripted teacher says: a text, a text with its finish reason, "refuse:" with a text, or None for no answer."""


@pytest.fixture
def make_params():
    """Builds a recipe file; `changes` replaces fields of the recipe, `structured` asks for JSON."""

    def make_params(kind: str, *, structured: bool = False, **changes: Any) -> GenerateParams:
        return GenerateParams.model_validate(
            {
                "output": "generated/test",
                "seed": 7,
                "teacher": {**TEACHER, "structured_output": structured},
                "limits": LIMITS,
                "budget": {"tokens": 100_000, "money": None},
                "prices": None,
                "recipe": {"kind": kind, **SETTINGS[kind], **changes},
            }
        )

    return make_params


def give_outcome(call: Call, answer: Answer) -> Outcome:
    counts = {
        "prompt_tokens": 10,
        "completion_tokens": 10,
        "model": "teacher-1-2026",
        "received": "2026-11-30T10:00:00+00:00",
    }
    if answer is None:
        return Failure(key=call.key, reason="not_asked", detail="")
    if isinstance(answer, str) and answer.startswith("refuse:"):
        return Refusal(key=call.key, reason="content_filter", text=answer.removeprefix("refuse:"), **counts)
    text, finish_reason = answer if isinstance(answer, tuple) else (answer, "stop")
    return Reply(key=call.key, text=text, finish_reason=finish_reason, **counts)


@pytest.fixture
def run_recipe(tmp_path, make_params):
    """Runs a recipe in `tmp_path` with a teacher that is a function of the prompt and the number of the call."""

    def run_recipe(
        kind: str, teach: Callable[[str, int], Answer], *, rounds: int = 9, folder: Path = tmp_path, **changes: Any
    ) -> Generated:
        recipe = build_recipe(make_params(kind, **changes), folder)
        estimate, asked, number = recipe.estimate(), 0, 0
        for _round in range(rounds):
            calls = recipe.name_calls()
            if not calls:
                break
            asked += len(calls)
            outcomes = []
            for call in calls:
                outcomes.append(give_outcome(call, teach(call.messages[-1].content, number)))
                number += 1
            recipe.take(outcomes)
        assert asked <= estimate.calls
        return recipe.finish()

    return run_recipe
