"""Options of an item of a task file, and the errors of a set of options. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seodang.evaluation.tasks.spec import TaskSpec
from seodang.evaluation.tasks.templates import render
from seodang.i18n import _, ngettext


def render_options(spec: TaskSpec, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options of a row in order, each text once."""
    return tuple(dict.fromkeys(_list_texts(spec, values, spec.options.values())))


def _list_texts(spec: TaskSpec, values: Mapping[str, Any], templates: Iterable[str]) -> list[str]:
    texts = [render(template, values) for template in templates]
    return [text for text in texts if text.strip()] if spec.skip_blank_options else texts


def resolve_reference(
    spec: TaskSpec, label: str, choices: tuple[str, ...], values: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """Return the option of a label, and the errors of the options."""
    expected = len(_list_texts(spec, values, set(spec.options.values())))
    if len(choices) < expected:
        return "", [
            _(
                "options are equal: {count} of them render as {options} only",
                count=expected,
                options=", ".join(map(repr, choices)),
            )
        ]
    if label.strip() not in spec.options:
        return "", [
            _(
                "the label {label!r} is not among {labels}; correct it, or add it to options",
                label=label.strip(),
                labels=", ".join(spec.options),
            )
        ]
    reference = render(spec.options[label.strip()], values)
    return reference, list(iter_choice_errors(choices, reference))


def iter_choice_errors(choices: Sequence[str], reference: str) -> Iterator[str]:
    """Yield the errors of an item's options: too few, blank, repeated, or without the reference."""
    if len(choices) < 2:
        yield ngettext(
            "has {count} option; kind choice needs at least 2",
            "has {count} options; kind choice needs at least 2",
            len(choices),
        )
    if any(not option.strip() for option in choices):
        yield _("an option is blank")
    if duplicates := [
        option for option, count in Counter(option.strip() for option in choices).items() if count > 1 and option
    ]:
        yield _("options occur twice: {options}", options=", ".join(map(repr, duplicates)))
    if choices and reference not in choices:
        yield _("the answer {answer!r} is not among the options", answer=reference)
