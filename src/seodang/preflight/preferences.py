"""Whether the preference records, or the prompts with rewards, allow a verdict about the aligned model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seodang.config import AlignParams
from seodang.evaluation.judge.resampling import MINIMUM_GROUPS
from seodang.gate.alignment import USES_THUMBS, describe_held_out
from seodang.i18n import _, get_language, ngettext
from seodang.io.jsonl import read_records
from seodang.paths import Paths
from seodang.records import count_questions


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
    if not prompts:
        return [
            _(
                "align.method {method}: no held-out prompt can judge the aligned model. Add records to {sources}:"
                " align.bounds.minimum_prompts, {minimum}, are needed in the part that is held out",
                method=align.method,
                minimum=align.bounds.minimum_prompts,
                sources=sources,
            )
        ]
    values = {
        "method": align.method,
        "prompts": ngettext("{count} held-out prompt", "{count} held-out prompts", prompts),
        "minimum": align.bounds.minimum_prompts,
        "sources": sources,
    }
    if prompts < MINIMUM_GROUPS:
        return [
            _(
                "align.method {method}: at most {prompts}, and align.bounds.minimum_prompts is {minimum}, so the aligned"
                " model could not be promoted. Add records to {sources}",
                **values,
            )
        ]
    return [
        _(
            "align.method {method}: at most {prompts}, and align.bounds.minimum_prompts is {minimum}, so the aligned model"
            " could not be promoted. Add records to {sources}, or lower align.bounds.minimum_prompts",
            **values,
        )
    ]


def _count_prompts(align: AlignParams, file: Path) -> int:
    """Return the number of prompts that the records of a split give: those of pairs for a reward model."""
    records = [record for record in read_records(file) if not record.turns] if file.exists() else []
    if align.reward == "model":
        return len({(record.instruction, record.input) for record in records if record.rejected})
    return sum(1 if record.choices else align.selections for record in records if not record.rejected)


def _find_pair_problems(align: AlignParams, paths: Paths) -> list[str]:
    uses_thumbs = align.method in USES_THUMBS
    problems = []
    if not any(is_pair or uses_thumbs for is_pair in _iter_is_pair(paths.preferences_train)):
        problems.append(
            _(
                "align.method {method}: there is no preference record to train on; name sources in align.sources",
                method=align.method,
            )
        )
    pairs = sum(_iter_is_pair(paths.preferences_test))
    questions = _count_questions(paths.preferences_test) if uses_thumbs else None
    if max(pairs, questions or 0) < align.bounds.minimum_pairs:
        problems.append(_describe_shortage(align, pairs, questions))
    return problems


def _describe_shortage(align: AlignParams, pairs: int, questions: int | None) -> str:
    """Return what is missing; a lower bound helps only where the figures would have an interval."""
    values = {
        "method": align.method,
        "held_out": describe_held_out(pairs, questions).translate(get_language()),
        "wanted": _list_wanted(questions),
        "minimum": align.bounds.minimum_pairs,
    }
    if not pairs and not questions:
        return _(
            "align.method {method}: {held_out}, and nothing else can judge the aligned model. Add {wanted} to"
            " align.sources: prepare.preferences_test_ratio of them is held out, and align.bounds.minimum_pairs,"
            " {minimum}, are needed",
            **values,
        )
    if max(pairs, questions or 0) < MINIMUM_GROUPS:
        return _(
            "align.method {method}: {held_out}, and align.bounds.minimum_pairs is {minimum}, so the aligned model could"
            " not be promoted. Add {wanted} to align.sources",
            **values,
        )
    return _(
        "align.method {method}: {held_out}, and align.bounds.minimum_pairs is {minimum}, so the aligned model could"
        " not be promoted. Add {wanted} to align.sources, or lower align.bounds.minimum_pairs",
        **values,
    )


def _list_wanted(questions: int | None) -> str:
    return _("preference pairs") if questions is None else _("preference pairs, or thumbs of both kinds,")


def _iter_is_pair(file: Path) -> Iterator[bool]:
    """Yield whether each preference record of a split is a pair."""
    yield from (bool(record.rejected) for record in (read_records(file) if file.exists() else []))


def _count_questions(file: Path) -> int:
    """Return the number of questions whose thumbs judge; `align` also leaves out answers that are too long."""
    return count_questions(
        (record.group or record.id, is_desirable)
        for record in (read_records(file) if file.exists() else [])
        for is_desirable in ([True, False] if record.rejected else [bool(record.desirable)])
    )
