"""Write what came of a run: the source file, what was rejected, and the manifest. Each call is in one of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.config.recipe import GenerateParams
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import write_json, write_rows
from seodang.synthesis.budget import compute_cost
from seodang.synthesis.calls import Failure, Generated, Refusal, Rejection, Reply, Row
from seodang.synthesis.journal import is_paid
from seodang.synthesis.run import RunState
from seodang.synthesis.task_reply import is_cut

RECORDS_NAME: Final = "records.jsonl"
REJECTED_NAME: Final = "rejected.jsonl"
MANIFEST_NAME: Final = "manifest.json"
_NO_RESULT: Final = "no_result"  # reason of a reply that the recipe neither keeps nor rejects


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounts:
    """Each call of a recipe, once: asked = kept + rejected + failed."""

    asked: int
    kept: int
    """At least one row comes from it."""
    rejected: int
    """It was answered or refused, and no row comes from it."""
    failed: int
    not_asked: int


def write_output(
    generated: Generated, state: RunState, params: GenerateParams, folder: Path, recipe_file: Path
) -> CallCounts:
    """Write records.jsonl, rejected.jsonl and manifest.json, each atomically, and return the counts.

    Args:
        generated: What the recipe made of the outcomes.
        state: What was asked.
        params: Of the recipe file.
        folder: Of the output.
        recipe_file: Its name and checksum are in the manifest.
    """
    rejections = [*generated.rejections, *_find_lost(generated, state)]
    counts = count_calls(generated, state)
    write_rows(folder / RECORDS_NAME, (dict(row.content) for row in generated.rows))
    write_rows(folder / REJECTED_NAME, _iterate_rejected(rejections, state))
    manifest = {
        "recipe": {"file": str(recipe_file), "sha256": compute_sha256(recipe_file)},
        "settings": params.model_dump(mode="json"),
        "complete": state.end is None,
        "calls": {name: getattr(counts, name) for name in CallCounts.__slots__},
        "rows": {
            "kept": len(generated.rows),
            "rejected": len(rejections),
            "reasons": dict(Counter(rejection.reason for rejection in rejections).most_common()),
        },
        **_describe_replies(state, params),
        "records_sha256": compute_sha256(folder / RECORDS_NAME),
        "figures": dict(generated.figures),
    }
    write_json(folder / MANIFEST_NAME, manifest)
    return counts


def count_calls(generated: Generated, state: RunState) -> CallCounts:
    """Return where each call ended; a call with rows and rejections counts as kept."""
    kept_keys = {key for row in generated.rows for key in row.keys}
    failures = [outcome for outcome in state.outcomes.values() if isinstance(outcome, Failure)]
    not_asked = sum(failure.reason == "not_asked" for failure in failures)
    paid = {key for key, outcome in state.outcomes.items() if is_paid(outcome)}
    return CallCounts(
        asked=len(state.outcomes) - not_asked,
        kept=len(paid & kept_keys),
        rejected=len(paid - kept_keys),
        failed=len(failures) - not_asked,
        not_asked=not_asked,
    )


def _find_lost(generated: Generated, state: RunState) -> list[Rejection]:
    """Return a rejection for each paid reply that has neither a row nor a rejection: nothing disappears."""
    parts: list[Row | Rejection] = [*generated.rows, *generated.rejections]
    known = {key for part in parts for key in part.keys}
    lost = (outcome for key, outcome in state.outcomes.items() if key not in known)
    return [
        Rejection(keys=(outcome.key,), reason=_NO_RESULT, detail="", text=outcome.text)
        for outcome in lost
        if isinstance(outcome, Reply | Refusal)
    ]


def _iterate_rejected(rejections: list[Rejection], state: RunState) -> Iterator[dict[str, Any]]:
    for rejection in rejections:
        yield {
            "reason": rejection.reason,
            "detail": rejection.detail,
            "text": rejection.text,
            "calls": list(rejection.keys),
        }
    for key, outcome in state.outcomes.items():
        if isinstance(outcome, Failure) and outcome.reason != "not_asked":
            prompt = state.calls[key].messages[-1].content
            yield {"reason": outcome.reason, "detail": outcome.detail, "text": "", "calls": [key], "prompt": prompt}


def _describe_replies(state: RunState, params: GenerateParams) -> Mapping[str, Any]:
    replies = [outcome for outcome in state.outcomes.values() if isinstance(outcome, Reply | Refusal)]
    times = sorted(reply.received for reply in replies)
    return {
        "replies": {
            "answers": sum(isinstance(reply, Reply) for reply in replies),
            "refusals": sum(isinstance(reply, Refusal) for reply in replies),
            "truncated": sum(isinstance(reply, Reply) and is_cut(reply) for reply in replies),
            "models": sorted({reply.model for reply in replies} - {""}),
            "first": times[0] if times else None,
            "last": times[-1] if times else None,
        },
        "spent": {
            "prompt_tokens": state.spent.prompt,
            "completion_tokens": state.spent.reply,
            "money": float(compute_cost(state.spent, params.prices)),
            "currency": params.prices.currency if params.prices else None,
            "is_budget_exceeded": state.is_budget_exceeded,
        },
        "beyond_reserved": {
            "calls": state.excess.calls,
            "reserved_tokens": state.excess.reserved.total,
            "used_tokens": state.excess.used.total,
        },
        "unsupported_fields": sorted(state.refused_fields),
    }
