"""Find the files of a data set's own test and validation splits: their records are never trained on.

A shard name (test-00000-of-00001.parquet), a folder of a saved DatasetDict or state.json states the split. A plain name
such as test.jsonl does so only beside the training file of the same data set (train.jsonl): alone, it may be all the
data that a user has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from seodang.ingest.fetch.files import LocalFile

_HELD_OUT: Final = frozenset(
    ("test", "testing", "validation", "valid", "val", "dev", "development", "eval", "evaluation", "holdout", "heldout")
)
_TRAIN: Final = frozenset(("train", "training"))
_SHARD: Final = re.compile(r"[-_.]\d+(?:-of-\d+)?$")
_HUB_SHARD: Final = re.compile(r"\d{4,}\.parquet|.*-\d{5}-of-\d{5}\..*")
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
    if split := _read_state_split(file.path):
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
