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
_PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TEXT_PATTERNS = ("*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt", "LICENSE*", "NOTICE*", "USE_POLICY*")
_TRUST_MARKER = "trusted_code.json"  # written by stage `base` alone; a source's own file of that name is left behind


def select_checkpoint_files(names: Iterable[str], origin: str, *, include_code: bool) -> list[str]:
    """Return which of a source's files make up its checkpoint: one form of weights, settings, tokenizer, licence.

    Args:
        names: Of the files on its top level.
        place: Named in the message.
        code: Whether its Python files belong to it.

    Raises:
        ModelError: If there are no weights as safetensors, or no config.json.
    """
    available = set(names)
    shards = [name for name in available if _SHARD.fullmatch(name)] if INDEX in available else []
    weights = [WEIGHTS] if WEIGHTS in available else shards
    if not weights:
        raise ModelError(_format_missing_weights(sorted(available), origin))
    if "config.json" not in available:
        raise ModelError(
            f"{origin} has no config.json, which says what kind of model it is; restore it from where the weights come from"
        )
    patterns = _TEXT_PATTERNS + (("*.py",) if include_code else ())
    extra_files = {
        name
        for name in available
        if name not in {_TRUST_MARKER, INDEX} and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    return sorted({*weights, *extra_files, *([INDEX] if weights == shards else [])})


def _format_missing_weights(names: list[str], origin: str) -> str:
    pickle_files = [name for name in names if any(fnmatchcase(name, pattern) for pattern in _PICKLE_PATTERNS)]
    if pickle_files:
        return (
            f"{origin} has its weights as pickles only ({', '.join(pickle_files)}): pickles can run code when they are read, so none is ever taken. "
            "Name a revision or another checkpoint that has safetensors, or convert it where nothing can be harmed"
        )
    return f"{origin} has no {WEIGHTS} and no {INDEX} with its files (found: {', '.join(names) or 'nothing'}); name a checkpoint whose weights are safetensors"


def list_weight_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint's weights, by name.

    Raises:
        ModelError: If one that the index names is missing, or the index cannot be read.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()))
    except FileNotFoundError as error:
        raise ModelError(
            _format_missing_weights(sorted(path.name for path in folder.glob("*")), str(folder))
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / INDEX} is damaged ({error!r}); restore it from where the weights come from"
        ) from error
    if invalid_names := [name for name in names if not _SHARD.fullmatch(str(name))]:
        raise ModelError(
            f"{folder / INDEX} names {invalid_names[0]!r}, which is no file of weights beside it; restore it from where the weights come from"
        )
    if missing := [name for name in names if not (folder / name).exists()]:
        raise ModelError(
            f"{folder} lacks {len(missing)} of its {len(names)} files of weights ({', '.join(missing[:3])}); fetch or copy them again"
        )
    return [folder / name for name in names]


def compute_weights_sha256(folder: Path) -> str:
    """Return the sha256 of a checkpoint's weights, as `combined_sha256` has it."""
    return combine_sha256({file.name: sha256_of(file) for file in list_weight_files(folder)})


def combine_sha256(digests: Mapping[str, str]) -> str:
    """Return the sha256 of one file itself, or of what `sha256sum FILES` prints of several.

    Args:
        digests: The sha256 of each file, by name.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify_weights(folder: Path, expected_sha256: str | None, origin: str) -> None:
    """Raise ChecksumError unless the weights in `folder`, which come from `place`, have the pinned sha256; None pins nothing."""
    if expected_sha256 is None:
        return
    digest = compute_weights_sha256(folder)
    if digest != expected_sha256:
        raise ChecksumError(
            f"the weights of {origin} have sha256 {digest}, but model.sha256 in params.yaml pins {expected_sha256}; restore them, or pin the new ones if you changed them yourself"
        )


def mark_code_as_trusted(folder: Path, name: str) -> None:
    """Note that a checkpoint's Python files may run: who was trusted, and the checksum of each file.

    Raises:
        ModelError: If its settings would fetch further code from elsewhere, which nobody has named.
    """
    remote_entries = [
        f"{file.name}: {entry}"
        for file in sorted(folder.glob("*config.json"))
        for entry in _read_auto_map(file)
        if "--" in entry
    ]
    if remote_entries:
        raise ModelError(
            f"{name} would run code from another place ({'; '.join(remote_entries)}), which model.trust_remote_code does not name; put the code beside the weights and use source path"
        )
    marker = {"trusted": name, "files": {file.name: sha256_of(file) for file in sorted(folder.glob("*.py"))}}
    write_atomically(folder / _TRUST_MARKER, [json.dumps(marker, indent=2, ensure_ascii=False), "\n"])


def is_code_trusted(folder: Path) -> bool:
    """Return whether the Python files of a checkpoint may run; a folder that stage `base` did not mark has none that may.

    Raises:
        ChecksumError: If a file is not the one that was trusted.
    """
    marker = folder / _TRUST_MARKER
    if not marker.exists():
        return False
    expected_digests: dict[str, str] = json.loads(marker.read_text("utf-8"))["files"]
    digests = {file.name: sha256_of(file) for file in folder.glob("*.py")}
    if digests != expected_digests:
        changed = sorted(
            name for name in {*digests, *expected_digests} if digests.get(name) != expected_digests.get(name)
        )
        raise ChecksumError(
            f"the code in {folder} is not the one that was trusted ({', '.join(changed)}); run: dvc repro --force base"
        )
    return True


def copy_trusted_code(source: Path, folder: Path) -> None:
    """Give a model made from `source` the code, and the mark, that its base has; without any, do nothing."""
    if is_code_trusted(source):
        for file in [*source.glob("*.py"), source / _TRUST_MARKER]:
            shutil.copyfile(file, folder / file.name)


def list_custom_classes(folder: Path) -> list[str]:
    """Return which classes a checkpoint's config.json takes from code of its own."""
    return _read_auto_map(folder / "config.json")


def _read_auto_map(file: Path) -> list[str]:
    settings: Any = json.loads(file.read_text("utf-8"))
    auto_map = settings.get("auto_map") or {} if isinstance(settings, dict) else {}
    entries = auto_map.values() if isinstance(auto_map, dict) else [auto_map]
    return [str(part) for entry in entries for part in (entry if isinstance(entry, list) else [entry]) if part]
