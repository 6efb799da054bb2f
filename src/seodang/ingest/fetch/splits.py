"""Find the files of a data set's own test and validation splits: their records are never trained on.

The `configs` of the data set's card (README.md), a shard name (test-00000-of-00001.parquet), a folder of a saved
DatasetDict or state.json states the split. A plain name such as test.jsonl does so only beside the training file of the
same data set (train.jsonl). Alone, it may be all the data that a user has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from seodang.ingest.fetch.files import LocalFile

_HELD_OUT: Final = frozenset(
    ("test", "testing", "validation", "valid", "val", "dev", "development", "eval", "evaluation", "holdout", "heldout")
)
_TRAIN: Final = frozenset(("train", "training"))
_SHARD: Final = re.compile(r"[-_.]\d+(?:-of-\d+)?$")
_HUB_SHARD: Final = re.compile(r"\d{4,}\.parquet|.*-\d{5}-of-\d{5}\..*")
_FRONT_MATTER: Final = re.compile(r"\s*---\r?\n(.*?)\r?\n---", re.DOTALL)
_CARD_FOLDERS: Final = 3  # folders above a file in which the card is searched
_WORD: Final = re.compile(r"(?:^|(?<=[-_.]))([a-z]+)(?=$|[-_.])")


def mark_held_out_files(files: Sequence[LocalFile]) -> list[LocalFile]:
    """Return the files, with `is_held_out` set for those of a test or validation split."""
    splits = [_find_split(file) for file in files]
    training_bases = {base for word, base, _is_stated in splits if word in _TRAIN}
    return [
        replace(file, is_held_out=word in _HELD_OUT and (is_stated or base in training_bases))
        for file, (word, base, is_stated) in zip(files, splits, strict=True)
    ]


def _find_split(file: LocalFile) -> tuple[str, str, bool]:
    """Return the split of a file, the name that all splits of its data set share, and whether the split is certain."""
    if split := _read_card_split(file.path) or _read_state_split(file.path):
        return split, "", True
    location = PurePosixPath(file.location)
    stem = _SHARD.sub("", location.name.lower().split(".", 1)[0])
    is_shard = _HUB_SHARD.fullmatch(location.name.lower()) is not None
    for match in _WORD.finditer(stem):
        is_edge = match.start() == 0 or match.end() == len(stem)
        if is_edge and match[1] in _HELD_OUT | _TRAIN:
            base = f"{stem[: match.start()]}*{stem[match.end() :]}"
            return match[1], (location.parent / base).as_posix(), is_shard and match[0] == stem
    folder = location.parent.name.lower()
    if folder in _HELD_OUT | _TRAIN:
        is_saved = (file.path.parent.parent / "dataset_dict.json").is_file()
        return folder, (location.parent.parent / "*").as_posix(), is_saved or is_shard
    return "", "", False


def _read_card_split(path: Path) -> str:
    """Return the split to which the card of a data set on the hub assigns a file; "" if there is none."""
    for folder in path.parents[:_CARD_FOLDERS]:
        name = path.relative_to(folder).as_posix()
        splits = [
            _find_split_word(split)
            for config in _read_card_configs(folder / "README.md")
            for split, pattern in _iter_data_files(config)
            if fnmatchcase(name, pattern)
        ]
        if splits:
            return next((split for split in splits if split in _HELD_OUT), splits[0])
    return ""


def _find_split_word(split: str) -> str:
    """Return the first word of a name such as test_ko or dev-small that names a split; else the name."""
    words = re.split(r"[-_.\d]+", split.lower())
    return next((word for word in words if word in _HELD_OUT | _TRAIN), split.lower())


@cache
def _read_card_configs(card: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of `configs` in the front matter of a card."""
    import yaml

    try:
        match = _FRONT_MATTER.match(card.read_text("utf-8"))
        content = yaml.safe_load(match[1]) if match else None
    except (OSError, ValueError, yaml.YAMLError):
        return ()
    configs = content.get("configs") if isinstance(content, dict) else None
    return tuple(config for config in configs or () if isinstance(config, Mapping))


def _iter_data_files(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield split and pattern of each entry of `data_files`."""
    folder = str(config.get("data_dir") or "").strip("/")
    data_files = config.get("data_files")
    if isinstance(data_files, Mapping):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    for entry in data_files if isinstance(data_files, list) else [data_files]:
        patterns = entry.get("path") if isinstance(entry, Mapping) else entry
        split = str(entry.get("split") or "train") if isinstance(entry, Mapping) else "train"
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            if isinstance(pattern, str):
                yield split, (PurePosixPath(folder) / pattern).as_posix()


def _read_state_split(path: Path) -> str:
    """Return the split in the state.json beside an Arrow file of the datasets library; "" if there is none."""
    state = path.parent / "state.json"
    if path.suffix != ".arrow" or not state.is_file():
        return ""
    try:
        split = json.loads(state.read_text("utf-8")).get("_split")
    except (OSError, ValueError, AttributeError):
        return ""
    return split.split("[")[0].strip().lower() if isinstance(split, str) else ""  # "test[:50%]"
