"""Make the calls of a recipe, and the provenance of what comes back. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config.recipe import GenerateParams
from seodang.ingest.provenance import Provenance
from seodang.records import Language
from seodang.synthesis import prompt_texts as texts
from seodang.synthesis.calls import Call, Estimate, Message, Reply, make_call, measure_call
from seodang.synthesis.numbered_list import SEPARATOR, render_task
from seodang.synthesis.task_json import NUMBER_KEY, TASKS_KEY, build_schema
from seodang.synthesis.tasks import Field

_DATE_CHARACTERS: Final = 10  # of an ISO 8601 date and time


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes calls with the settings of a recipe file."""

    params: GenerateParams

    def ask(
        self,
        messages: Sequence[Message],
        *,
        number: int,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Call:
        """Return a call.

        Args:
            messages: The conversation.
            number: Of the call in its recipe; it makes the seed of the teacher's sampling.
            schema: Of the reply, for a teacher with structured output.
            max_tokens: Of the reply; None: those of the recipe.
            temperature: None: that of the recipe.
        """
        recipe = self.params.recipe
        return make_call(
            model=self.params.teacher.model,
            messages=messages,
            max_tokens=recipe.max_tokens if max_tokens is None else max_tokens,
            temperature=recipe.temperature if temperature is None else temperature,
            seed=self.params.seed + number,
            schema=schema if self.params.teacher.structured_output else None,
            ordinal=number,
        )

    def ask_for_tasks(self, prompt: TaskPrompt, *, number: int) -> Call:
        """Return a call whose reply has tasks: in JSON if the teacher has structured output, else numbered."""
        is_json = self.params.teacher.structured_output
        content = prompt.render_json() if is_json else prompt.render_list()
        schema = build_schema(prompt.reply_fields, is_numbered=prompt.repeats_numbers)
        return self.ask([Message(role="user", content=content)], number=number, schema=schema)

    def trace(self, call: Call, reply: Reply) -> dict[str, str]:
        """Return the provenance of a record that was read from a reply."""
        teacher = self.params.teacher
        return Provenance(
            teacher=reply.model or teacher.model,
            licence=teacher.licence,
            recipe=self.params.recipe.kind,
            prompt_sha256=compute_prompt_sha256(call.messages),
            date=reply.received[:_DATE_CHARACTERS],
        ).to_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPrompt:
    """A prompt that gives tasks and asks for tasks."""

    rules: str
    """What is asked."""
    language: Language
    """Of the prompt."""
    given_fields: tuple[Field, ...]
    given: Sequence[Mapping[str, str]]
    """Texts of the given tasks by field; they are numbered from 1."""
    reply_fields: tuple[Field, ...]
    repeats_numbers: bool
    """Whether the reply is about the given tasks, or has new ones whose numbers follow."""

    def render_list(self) -> str:
        """Return the prompt with the tasks as a numbered list."""
        tasks = [
            render_task(self.given_fields, number, each, self.language)
            for number, each in enumerate(self.given, start=1)
        ]
        first = 1 if self.repeats_numbers else len(self.given) + 1
        form = "\n".join(
            [SEPARATOR, *(f"{first}. {field.labels[self.language]}: …" for field in self.reply_fields), SEPARATOR]
        )
        return "\n\n".join(
            [self.rules, texts.LIST_FORM[self.language].format(form=form), "\n".join([*tasks, SEPARATOR])]
        )

    def render_json(self) -> str:
        """Return the prompt with the tasks in JSON."""
        tasks = [
            ({NUMBER_KEY: number} if self.repeats_numbers else {})
            | {field.name: each[field.name] for field in self.given_fields}
            for number, each in enumerate(self.given, start=1)
        ]
        keys = [*([NUMBER_KEY] if self.repeats_numbers else []), *(field.name for field in self.reply_fields)]
        form = texts.JSON_FORM[self.language].format(list=TASKS_KEY, keys=", ".join(keys))
        return "\n\n".join([self.rules, form, json.dumps({TASKS_KEY: tasks}, ensure_ascii=False, indent=1)])


def compute_prompt_sha256(messages: Sequence[Message]) -> str:
    """Return the hash of a conversation."""
    text = json.dumps([[message.role, message.content] for message in messages])
    return hashlib.sha256(text.encode()).hexdigest()


def sum_estimate(calls: Sequence[Call]) -> Estimate:
    """Return what some calls ask at most."""
    return Estimate(
        calls=len(calls),
        prompt_bytes=sum(map(measure_call, calls)),
        completion_tokens=sum(call.max_tokens for call in calls),
    )


def add_estimates(*estimates: Estimate) -> Estimate:
    """Return the sum of some estimates."""
    return Estimate(
        calls=sum(each.calls for each in estimates),
        prompt_bytes=sum(each.prompt_bytes for each in estimates),
        completion_tokens=sum(each.completion_tokens for each in estimates),
    )


class CallRound:
    """A round that asks all its calls at once."""

    def __init__(self, calls: Sequence[Call]) -> None:
        """Prepare the calls, which keep their order."""
        self.calls = calls
        self._is_named = False

    def estimate(self) -> Estimate:
        """Return what the round asks."""
        return sum_estimate(self.calls)

    def name_calls(self) -> Sequence[Call]:
        """Return all calls, once."""
        calls = [] if self._is_named else self.calls
        self._is_named = True
        return calls
