"""Whether the preference records, or the prompts with rewards, allow a verdict about the aligned model."""

from __future__ import annotations

from pathlib import Path

from seodang.config import AlignParams
from seodang.i18n import _, ngettext
from seodang.io.jsonl import read_records
from seodang.paths import Paths


def find_preference_problems(align: AlignParams, paths: Paths) -> list[str]:
    """Return what would keep stage `align` from training, or the gate from a verdict about the aligned model.

    Args:
        align: Section `align`; with method none there is no problem.
        paths: Paths of the project.
    """
    if align.method == "none":
        return []
    if align.method != "grpo":
        return _find_pair_problems(align, paths)
    if align.reward == "rules":
        return _find_prompt_problems(align, paths.get_split_path("test"), "ingest.sources")
    return [*_find_pair_problems(align, paths), *_find_prompt_problems(align, paths.preferences_test, "align.sources")]


def _find_prompt_problems(align: AlignParams, file: Path, sources: str) -> list[str]:
    """Return the problems of prompts; stage `align` also leaves out those that are too long."""
    prompts = _count_prompts(align, file)
    if prompts >= align.bounds.minimum_prompts:
        return []
    return [
        _(
            "align.method {method}: at most {prompts}, and align.bounds.minimum_prompts is {minimum}, so the aligned model"
            " could not be promoted. Add records to {sources}, or lower align.bounds.minimum_prompts",
            method=align.method,
            prompts=ngettext("{count} held-out prompt", "{count} held-out prompts", prompts),
            minimum=align.bounds.minimum_prompts,
            sources=sources,
        )
    ]


def _count_prompts(align: AlignParams, file: Path) -> int:
    """Return the number of prompts that the records of a split give: those of pairs for a reward model."""
    records = [record for record in read_records(file) if not record.turns] if file.exists() else []
    if align.reward == "model":
        return len({(record.instruction, record.input) for record in records if record.rejected})
    return sum(1 if record.choices else align.selections for record in records if not record.rejected)


def _find_pair_problems(align: AlignParams, paths: Paths) -> list[str]:
    problems = []
    if not _count_records(paths.preferences_train, needs_pair=align.method != "kto"):
        problems.append(
            _(
                "align.method {method}: there is no preference record to train on; name sources in align.sources",
                method=align.method,
            )
        )
    held_out = _count_records(paths.preferences_test, needs_pair=True)
    if not held_out:
        problems.append(
            _(
                "align.method {method}: no preference pair is held out, and only held-out pairs can judge the aligned"
                " model; thumbs up or down cannot. Add preference pairs to align.sources: prepare.preferences_test_ratio"
                " of them is held out, and align.bounds.minimum_pairs, {minimum}, are needed",
                method=align.method,
                minimum=align.bounds.minimum_pairs,
            )
        )
    elif held_out < align.bounds.minimum_pairs:
        problems.append(
            _(
                "align.method {method}: {pairs}, and align.bounds.minimum_pairs is {minimum}, so the aligned model could"
                " not be promoted. Add preference pairs to align.sources, or lower align.bounds.minimum_pairs",
                method=align.method,
                pairs=ngettext("{count} held-out pair", "{count} held-out pairs", held_out),
                minimum=align.bounds.minimum_pairs,
            )
        )
    return problems


def _count_records(file: Path, *, needs_pair: bool) -> int:
    if not file.exists():
        return 0
    return sum(bool(record.rejected) or not needs_pair for record in read_records(file))
