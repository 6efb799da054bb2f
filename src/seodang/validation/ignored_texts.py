"""Describe the keys that no field of a record holds, with personal data in their samples redacted."""

from __future__ import annotations

import re
from typing import Any, Final

from seodang.i18n import _
from seodang.ingest.ignored_keys import IgnoredKeys
from seodang.validation.checks.pii import mask_personal_data


def format_ignored_values(ignored: IgnoredKeys) -> dict[str, dict[str, Any]]:
    """Return rows, share and sample of each ignored key, for reports."""
    return {
        name: {**fields, "sample": mask_personal_data(fields["sample"])} for name, fields in ignored.to_json().items()
    }


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
