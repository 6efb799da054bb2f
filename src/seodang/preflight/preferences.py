"""Whether the preference records, or the prompts with rewards, allow a verdict about the aligned model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seodang.alignment.preferences import Preferences, select_prompts, tokenize_preferences
from seodang.config import AlignParams, PromptParams
from seodang.evaluation.judge.resampling import MINIMUM_GROUPS
from seodang.gate.alignment import USES_THUMBS, describe_held_out
from seodang.i18n import _, get_language, ngettext
from seodang.io.jsonl import read_records
from seodang.models.loading import load_tokenizer
from seodang.paths import Paths
from seodang.records import count_questions


@dataclass(frozen=True, slots=True)
class PreferenceCheck:
    """What is known about preference tuning before the run trains, in the user's language."""

    problems: list[str]
    """Each keeps stage `align` from training, or the gate from a verdict about the aligned model."""
    warnings: list[str]


def check_preferences(prompt: PromptParams, align: AlignParams, paths: Paths) -> PreferenceCheck:
    """Count what stage `align` will train on and what will judge the aligned model, as that stage reads it.

    Args:
        prompt: Section `prompt`.
        align: Section `align`; with method none there is nothing to say.
        paths: Paths of the project, with a base.
    """
    if align.method == "none":
        return PreferenceCheck([], [])
    if align.method == "grpo" and align.reward == "rules":
        return PreferenceCheck(_find_rule_problems(align, paths), [])
    tokenizer = load_tokenizer(paths.base)
    splits = [
        tokenize_preferences(read_records(file) if file.exists() else [], tokenizer, prompt.format, align.max_length)
        for file in (paths.preferences_train, paths.preferences_test)
    ]
    problems = _find_pair_problems(align, *splits)
    if align.method == "grpo":
        prompts = len(select_prompts(splits[1].pairs, align))
        counted = ngettext("{count} held-out prompt", "{count} held-out prompts", prompts)
        problems += _find_prompt_problems(align, prompts, counted, "align.sources")
    return PreferenceCheck(problems, _warn_of_long_records(align, splits))


def _warn_of_long_records(align: AlignParams, splits: Iterable[Preferences]) -> list[str]:
    """Return a warning if records are left out as too long."""
    too_long = sum(split.too_long for split in splits)
    if not too_long:
        return []
    return [
        _(
            "align.method {method}: longer than align.max_length, {limit}, and left out: {records}. The longest needs"
            " {longest:,}",
            method=align.method,
            limit=align.max_length,
            records=ngettext("{count:,} preference record", "{count:,} preference records", too_long),
            longest=max(split.longest for split in splits),
        )
    ]


def _find_rule_problems(align: AlignParams, paths: Paths) -> list[str]:
    """Return the problem of too few prompts; stage `align` also leaves out those without room for an answer."""
    records = [record for record in read_records(paths.get_split_path("test")) if not record.turns]
    prompts = sum(1 if record.choices else align.selections for record in records)
    counted = ngettext("at most {count} held-out prompt", "at most {count} held-out prompts", prompts)
    return _find_prompt_problems(align, prompts, counted, "ingest.sources")


def _find_prompt_problems(align: AlignParams, prompts: int, counted: str, sources: str) -> list[str]:
    """Return the problem of too few held-out prompts, which `counted` says in words."""
    minimum = align.bounds.minimum_prompts
    if prompts >= minimum:
        return []
    values = {
        "method": align.method,
        "prompts": counted,
        "minimum": minimum,
        "sources": sources,
        "room": _(
            "A prompt counts if it leaves align.max_new_tokens, {new}, of align.max_length, {limit}, tokens",
            new=align.max_new_tokens,
            limit=align.max_length,
        ),
    }
    if not prompts:
        text = _(
            "align.method {method}: no held-out prompt can judge the aligned model. Add records to {sources}:"
            " align.bounds.minimum_prompts, {minimum}, are needed in the part that is held out. {room}",
            **values,
        )
    elif prompts < MINIMUM_GROUPS:
        text = _(
            "align.method {method}: {prompts}, and align.bounds.minimum_prompts is {minimum}, so the aligned"
            " model could not be promoted. Add records to {sources}. {room}",
            **values,
        )
    else:
        text = _(
            "align.method {method}: {prompts}, and align.bounds.minimum_prompts is {minimum}, so the aligned model"
            " could not be promoted. Add records to {sources}, or lower align.bounds.minimum_prompts. {room}",
            **values,
        )
    return [text]


def _find_pair_problems(align: AlignParams, training: Preferences, held_out: Preferences) -> list[str]:
    uses_thumbs = align.method in USES_THUMBS
    problems = []
    if not training.pairs and not (uses_thumbs and training.answers):
        problems.append(_describe_nothing_to_learn(align, training))
    pairs = len(held_out.pairs)
    marks = [(answer.group, answer.is_desirable) for answer in held_out.list_answers()]
    questions = count_questions(marks) if uses_thumbs else None
    if max(pairs, questions or 0) < align.bounds.minimum_pairs:
        problems.append(_describe_shortage(align, pairs, questions) + _advise_length(align, held_out))
    return problems


def _advise_length(align: AlignParams, held_out: Preferences) -> str:
    """Return the end of an advice: the length that leaves no held-out record out, if one is left out."""
    if not held_out.too_long:
        return ""
    return ". " + _(
        "Or raise align.max_length, {limit}: with {longest} no held-out record would be left out",
        limit=align.max_length,
        longest=held_out.longest,
    )


def _describe_nothing_to_learn(align: AlignParams, training: Preferences) -> str:
    if training.too_long:
        return _(
            "align.method {method}: no preference record to train on has at most align.max_length, {limit}, tokens; with"
            " {longest} none would be left out",
            method=align.method,
            limit=align.max_length,
            longest=training.longest,
        )
    return _(
        "align.method {method}: there is no preference record to train on; name sources in align.sources",
        method=align.method,
    )


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
