"""Describe the keys that no field of a record holds, with personal data in their samples redacted."""

from __future__ import annotations

import re
from typing import Any, Final

from seodang.i18n import _
from seodang.ingest.formats.mark_names import may_judge
from seodang.ingest.ignored_keys import IgnoredKey, IgnoredKeys
from seodang.validation.checks.pii import mask_personal_data


def format_ignored_values(ignored: IgnoredKeys) -> dict[str, dict[str, Any]]:
    """Return rows, share and sample of each ignored key, for reports."""
    return {
        name: {**fields, "sample": mask_personal_data(fields["sample"])} for name, fields in ignored.to_json().items()
    }


_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?")  # a class, a count or a score
_SCORE: Final = re.compile(r"(?:^|[._])(?:score|reward|rating|logprob|confidence|perplexity|ppl)s?$", re.IGNORECASE)


def list_ignored_scores(ignored: IgnoredKeys) -> list[str]:
    """Return one line for each ignored key with scores of the records: their scale is unknown."""
    return [
        _(
            "the key {key} holds scores of the records ({share:.0%} of the rows, {lowest:g} to {highest:g}) on an unknown scale, so"
            " no row was left out; to leave out low ones, read the file with pandas and write"
            " df[df[{key!r}] >= {example:g}]",
            key=name,
            share=key.rows / ignored.records,
            lowest=key.lowest,
            highest=key.highest,
            example=(key.lowest + key.highest) / 2,
        )
        for name, key in sorted(ignored.by_name.items())
        if key.numbers and key.highest > key.lowest and _SCORE.search(name)
    ]


def list_ignored_verdicts(ignored: IgnoredKeys) -> list[str]:
    """Return one line about the ignored keys that look like a verdict or a flag, with their first values."""
    keys = [
        f"{name} ({_format_values(key)})"
        for name, key in sorted(ignored.by_name.items())
        if not key.holds_text and not all(_NUMBER.fullmatch(value) for value in key.values) and may_judge(name)
    ]
    return (
        [
            _(
                "these keys may say that a record is bad, but the values are not known as verdicts, so no row was left out:"
                " {keys}; if they say so, delete the bad rows, or write status: rejected into them",
                keys=", ".join(keys),
            )
        ]
        if keys
        else []
    )


def _format_values(key: IgnoredKey) -> str:
    counts = sorted(key.values.items(), key=lambda item: -item[1])
    more = ["…"] if sum(key.values.values()) < key.rows else []
    return ", ".join([*(f"{mask_personal_data(value)}: {count}" for value, count in counts), *more])


def list_ignored_texts(ignored: IgnoredKeys) -> list[str]:
    """Return one line for each ignored key that holds long texts: the model may need them."""
    texts = {name: fields for name, fields in format_ignored_values(ignored).items() if fields["holds_text"]}
    return [_describe_text(name, share=fields["share"], sample=fields["sample"]) for name, fields in texts.items()]


def _describe_text(name: str, *, share: float, sample: str) -> str:
    if "[]." in name:  # a key inside messages
        return _(
            "the key {key} holds texts that were left out ({share:.0%} of the rows, such as {sample!r}); if the model"
            " needs them, put them into the content of the message",
            key=name,
            share=share,
            sample=sample,
        )
    return _(
        "the key {key} holds texts that were left out ({share:.0%} of the rows, such as {sample!r}); if the model"
        " needs them, rename it to context, or name it with format: columns",
        key=name,
        share=share,
        sample=sample,
    )
