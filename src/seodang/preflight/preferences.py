"""Whether the preference records allow a verdict about the aligned model."""

from __future__ import annotations

from pathlib import Path

from seodang.config import AlignBoundParams
from seodang.i18n import _, ngettext
from seodang.io.jsonl import read_records
from seodang.paths import Paths


def find_preference_problems(method: str, bounds: AlignBoundParams, paths: Paths) -> list[str]:
    """Return what would keep stage `align` from training, or the gate from a verdict about the aligned model.

    Args:
        method: align.method; with none there is no problem.
        bounds: Of section `align`.
        paths: Paths of the project.
    """
    if method == "none":
        return []
    problems = []
    if not _count_records(paths.preferences_train, needs_pair=method != "kto"):
        problems.append(
            _(
                "align.method {method}: there is no preference record to train on; name sources in align.sources",
                method=method,
            )
        )
    held_out = _count_records(paths.preferences_test, needs_pair=True)
    if held_out < bounds.minimum_pairs:
        problems.append(
            _(
                "align.method {method}: {pairs}, and align.bounds.minimum_pairs is {minimum}, so the aligned model could"
                " not be promoted. Add preference pairs to align.sources, or lower align.bounds.minimum_pairs",
                method=method,
                pairs=ngettext("{count} held-out pair", "{count} held-out pairs", held_out),
                minimum=bounds.minimum_pairs,
            )
        )
    return problems


def _count_records(file: Path, *, needs_pair: bool) -> int:
    if not file.exists():
        return 0
    return sum(bool(record.rejected) or not needs_pair for record in read_records(file))
