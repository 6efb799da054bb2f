"""Old parameter names and the new ones: this table refuses an old file, and `seodang config migrate` rewrites it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ruamel.yaml.comments import CommentedMap


@dataclass(frozen=True, slots=True)
class Rename:
    """A parameter that has a new name or new values, or that stands in another section."""

    section: str
    """Dotted path of the mapping that holds the key; "[]" stands for each item of a list."""
    old: str
    new: str
    values: Mapping[str, str] | None = None
    """Old value -> new value, where a value is a name too."""
    moved_to: str | None = None
    """Name of the section that has the key now; None: it stays where it is."""


_METRICS: Final = {"exact": "exact_match", "stopped": "eos_rate"}


def _rename_keys(section: str, **names: str) -> list[Rename]:
    return [Rename(section, old, new) for old, new in names.items()]


# The order matters: a section that is renamed is named by its new name in the lines after it.
PARAMS_RENAMES: Final[tuple[Rename, ...]] = (
    *_rename_keys(
        "model.scratch", vocabulary="vocab_size", hidden="hidden_size", layers="num_layers", heads="num_heads",
        feed_forward="intermediate_size", context="context_length", updates="steps", batch="batch_size",
        sequence="sequence_length", matrix_rate="muon_learning_rate", embedding_rate="adamw_learning_rate",
        warmup="warmup_steps", decay_share="decay_ratio", practice="practice_records", unlabelled="unlabelled_inputs",
    ),
    *_rename_keys(
        "expectations.actions", turns_broken="turns_malformed", link_unseen="external_link",
        media_unseen="external_media", input_referred="missing_input", rejected_truncated="pair_truncated",
    ),
    *_rename_keys("expectations.limits", max_repeated_share="max_repeated_ratio"),
    *_rename_keys("expectations", data_set="dataset"),
    *_rename_keys(
        "expectations.dataset", quarantined_share="quarantined_ratio",
        source_quarantined_share="source_quarantined_ratio", unique_share="unique_ratio",
        language_share="language_ratio", label_share="label_ratio",
    ),
    *_rename_keys(
        "prepare", validation_share="validation_ratio", test_share="test_ratio", replay_share="replay_ratio",
        duplicates="deduplication", leaks="decontamination",
    ),
    *_rename_keys("prepare.decontamination", words="ngram_words", characters_ko="ngram_characters_ko"),
    *_rename_keys(
        "train", targets="target_modules", schedule="lr_scheduler", warmup_share="warmup_ratio",
        decay_share="decay_ratio", batch_tokens="tokens_per_micro_batch", neftune_alpha="neftune_noise_alpha",
        early_stopping="early_stopping_patience", validate_every="eval_steps", checkpoint_every="save_steps",
        log_every="logging_steps", minimum_end_share="minimum_eos_ratio", examples="report_samples",
        tracking="report_to",
    ),
    *_rename_keys("evaluate", batch_tokens="tokens_per_batch", generated_per_task="generations_per_task"),
    Rename("gate.rules[]", "ask", "test", {"better": "superiority", "not_worse": "non_inferiority"}),
    *_rename_keys("gate.rules[]", each="group_by"),
    Rename("gate.rules[]", "metric", "metric", _METRICS),
    *_rename_keys("gate", floors="thresholds"),
    Rename("gate.thresholds[]", "metric", "metric", _METRICS),
    Rename("package", "gguf", "gguf", moved_to="export"),
)  # fmt: skip
# A rules file of `seodang gate` holds the content of the section `gate`.
RULES_RENAMES: Final[tuple[Rename, ...]] = tuple(
    replace(rename, section=rename.section.removeprefix("gate").removeprefix("."))
    for rename in PARAMS_RENAMES
    if rename.section.partition(".")[0] == "gate"
)
TASK_RENAMES: Final[tuple[Rename, ...]] = (
    *_rename_keys("data", exemplars="few_shot_file"),
    Rename("", "metrics", "metrics", _METRICS),
)
STUDY_RENAMES: Final[tuple[Rename, ...]] = (
    *_rename_keys("", seen="held_in_tasks", unseen="held_out_tasks"),
    *(rename for rename in PARAMS_RENAMES if rename.section == "evaluate"),
)


def migrate(content: Any, renames: tuple[Rename, ...]) -> list[str]:
    """Rename the keys and values of a parsed YAML file in place, comments kept; return what changed, in words."""
    changes = []
    for rename in renames:
        for path, mapping in _iter_mappings(content, rename.section):
            if rename.moved_to is not None:
                changes += _move(content, mapping, rename, rename.moved_to)
            else:
                changes += _apply(mapping, rename, path)
    return changes


def _move(content: Any, mapping: Any, rename: Rename, section: str) -> list[str]:
    """Move a key into another section; what that section sets already stays."""
    if rename.old not in mapping:
        return []
    value = mapping.pop(rename.old)
    if not isinstance(content.get(section), dict):
        content[section] = CommentedMap()
    content[section].setdefault(rename.new, value)
    return [f"{rename.section}.{rename.old} -> {section}.{rename.new}"]


def _iter_mappings(content: Any, section: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the mappings at a dotted path, each with its place in words."""
    if not section:
        if isinstance(content, dict):
            yield path, content
        return
    key, _, rest = section.partition(".")
    nested = content.get(key.removesuffix("[]")) if isinstance(content, dict) else None
    here = f"{path}.{key.removesuffix('[]')}" if path else key.removesuffix("[]")
    if key.endswith("[]"):
        for index, item in enumerate(nested if isinstance(nested, list) else []):
            yield from _iter_mappings(item, rest, f"{here}[{index}]")
    elif nested is not None:
        yield from _iter_mappings(nested, rest, here)


def _apply(mapping: Any, rename: Rename, path: str) -> list[str]:
    if rename.old not in mapping:
        return []
    prefix = f"{path}." if path else ""
    old_value = mapping[rename.old]
    new_value = _rename_value(old_value, rename.values or {})
    if rename.new != rename.old:
        _rename_key(mapping, rename.old, rename.new)
    if new_value is not old_value:
        mapping[rename.new] = new_value
    elif rename.new == rename.old:
        return []
    change = f"{prefix}{rename.old} -> {rename.new}"
    return [change if new_value is old_value else f"{change}: {old_value} -> {new_value}"]


def _rename_value(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list) and any(item in names for item in value if isinstance(item, str)):
        renamed = copy.copy(value)
        renamed[:] = [_rename_value(item, names) for item in value]
        return renamed
    return value


def _rename_key(mapping: Any, old: str, new: str) -> None:
    """Give a key another name at the same place; a comment behind it stays."""
    position = list(mapping).index(old)
    value = mapping.pop(old)
    if isinstance(mapping, CommentedMap):
        mapping.insert(position, new, value)
        if old in mapping.ca.items:
            mapping.ca.items[new] = mapping.ca.items.pop(old)
        return
    later = [(key, mapping.pop(key)) for key in list(mapping)[position:]]
    mapping[new] = value
    mapping.update(later)


def select_renames(content: Any) -> tuple[Rename, ...]:
    """Return the renames of a file by its content: a study, a task file, a rules file, else parameters."""
    keys = set(content) if isinstance(content, dict) else set()
    if {"title_ko", "title_en"} & keys:
        return STUDY_RENAMES
    if {"kind", "data"} <= keys:
        return TASK_RENAMES
    return RULES_RENAMES if "rules" in keys else PARAMS_RENAMES
