"""What a checkpoint's folder holds: weights as safetensors, their checksum, the room they need, code that was trusted by name."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from seodang.errors import ChecksumError, ModelError
from seodang.io.atomic import sha256_of, write_atomically

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TEXT = ("*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt", "LICENSE*", "NOTICE*", "USE_POLICY*")
_TRUSTED = "trusted_code.json"  # written by stage `base` alone; a source's own file of that name is left behind


def wanted_files(names: Iterable[str], place: str, *, code: bool) -> list[str]:
    """Return which of a source's files make up its checkpoint: one form of weights, settings, tokenizer, licence.

    Args:
        names: Of the files on its top level.
        place: Named in the message.
        code: Whether its Python files belong to it.

    Raises:
        ModelError: If there are no weights as safetensors, or no config.json.
    """
    there = set(names)
    shards = [name for name in there if _SHARD.fullmatch(name)] if INDEX in there else []
    weights = [WEIGHTS] if WEIGHTS in there else shards
    if not weights:
        raise ModelError(_without_weights(sorted(there), place))
    if "config.json" not in there:
        raise ModelError(
            f"{place} has no config.json, which says what kind of model it is; restore it from where the weights come from"
        )
    patterns = _TEXT + (("*.py",) if code else ())
    others = {
        name
        for name in there
        if name not in {_TRUSTED, INDEX} and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    return sorted({*weights, *others, *([INDEX] if weights == shards else [])})


def _without_weights(names: list[str], place: str) -> str:
    pickled = [name for name in names if any(fnmatchcase(name, pattern) for pattern in _PICKLED)]
    if pickled:
        return (
            f"{place} has its weights as pickles only ({', '.join(pickled)}): pickles can run code when they are read, so none is ever taken. "
            "Name a revision or another checkpoint that has safetensors, or convert it where nothing can be harmed"
        )
    return f"{place} has no {WEIGHTS} and no {INDEX} with its files (found: {', '.join(names) or 'nothing'}); name a checkpoint whose weights are safetensors"


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint's weights, by name.

    Raises:
        ModelError: If one that the index names is missing, or the index cannot be read.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()))
    except FileNotFoundError as error:
        raise ModelError(_without_weights(sorted(path.name for path in folder.glob("*")), str(folder))) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / INDEX} is damaged ({error!r}); restore it from where the weights come from"
        ) from error
    if strange := [name for name in names if not _SHARD.fullmatch(str(name))]:
        raise ModelError(
            f"{folder / INDEX} names {strange[0]!r}, which is no file of weights beside it; restore it from where the weights come from"
        )
    if missing := [name for name in names if not (folder / name).exists()]:
        raise ModelError(
            f"{folder} lacks {len(missing)} of its {len(names)} files of weights ({', '.join(missing[:3])}); fetch or copy them again"
        )
    return [folder / name for name in names]


def weights_sha256(folder: Path) -> str:
    """Return the sha256 of a checkpoint's weights, as `combined_sha256` has it."""
    return combined_sha256({file.name: sha256_of(file) for file in weight_files(folder)})


def combined_sha256(digests: Mapping[str, str]) -> str:
    """Return the sha256 of one file itself, or of what `sha256sum FILES` prints of several.

    Args:
        digests: The sha256 of each file, by name.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify_weights(folder: Path, pinned: str | None, place: str) -> None:
    """Raise ChecksumError unless the weights in `folder`, which come from `place`, have the pinned sha256; None pins nothing."""
    if pinned is None:
        return
    found = weights_sha256(folder)
    if found != pinned:
        raise ChecksumError(
            f"the weights of {place} have sha256 {found}, but model.sha256 in params.yaml pins {pinned}; restore them, or pin the new ones if you changed them yourself"
        )


def mark_code_as_trusted(folder: Path, name: str) -> None:
    """Note that a checkpoint's Python files may run: who was trusted, and the checksum of each file.

    Raises:
        ModelError: If its settings would fetch further code from elsewhere, which nobody has named.
    """
    elsewhere = [
        f"{file.name}: {entry}"
        for file in sorted(folder.glob("*config.json"))
        for entry in _code_entries(file)
        if "--" in entry
    ]
    if elsewhere:
        raise ModelError(
            f"{name} would run code from another place ({'; '.join(elsewhere)}), which model.trust_remote_code does not name; put the code beside the weights and use source path"
        )
    trusted = {"trusted": name, "files": {file.name: sha256_of(file) for file in sorted(folder.glob("*.py"))}}
    write_atomically(folder / _TRUSTED, [json.dumps(trusted, indent=2, ensure_ascii=False), "\n"])


def code_is_trusted(folder: Path) -> bool:
    """Return whether the Python files of a checkpoint may run; a folder that stage `base` did not mark has none that may.

    Raises:
        ChecksumError: If a file is not the one that was trusted.
    """
    marker = folder / _TRUSTED
    if not marker.exists():
        return False
    trusted: dict[str, str] = json.loads(marker.read_text("utf-8"))["files"]
    found = {file.name: sha256_of(file) for file in folder.glob("*.py")}
    if found != trusted:
        changed = sorted(name for name in {*found, *trusted} if found.get(name) != trusted.get(name))
        raise ChecksumError(
            f"the code in {folder} is not the one that was trusted ({', '.join(changed)}); run: dvc repro --force base"
        )
    return True


def copy_trusted_code(source: Path, folder: Path) -> None:
    """Give a model made from `source` the code, and the mark, that its base has; without any, do nothing."""
    if code_is_trusted(source):
        for file in [*source.glob("*.py"), source / _TRUSTED]:
            shutil.copyfile(file, folder / file.name)


def own_code(folder: Path) -> list[str]:
    """Return which classes a checkpoint's config.json takes from code of its own."""
    return _code_entries(folder / "config.json")


def _code_entries(file: Path) -> list[str]:
    settings: Any = json.loads(file.read_text("utf-8"))
    named = settings.get("auto_map") or {} if isinstance(settings, dict) else {}
    entries = named.values() if isinstance(named, dict) else [named]
    return [str(part) for entry in entries for part in (entry if isinstance(entry, list) else [entry]) if part]
