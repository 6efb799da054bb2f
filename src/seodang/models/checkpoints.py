"""Read and check the files of a checkpoint: safetensors weights, their checksum, and trusted custom code."""

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
from seodang.i18n import _, ngettext
from seodang.io.atomic import compute_sha256, write_atomically
from seodang.io.file_digests import compute_known_sha256

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TEXT_PATTERNS = ("*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt", "LICENSE*", "NOTICE*", "USE_POLICY*")
_TRUST_MARKER = "trusted_code.json"  # only stage `base` writes it; a file of that name in a source is not copied


def select_checkpoint_files(names: Iterable[str], origin: str, *, include_code: bool) -> list[str]:
    """Return the files that make up a checkpoint: one form of its weights, settings, tokenizer and licence.

    Args:
        names: Names of the files on the source's top level.
        origin: Source of the checkpoint, for messages.
        include_code: Whether to include Python files.

    Raises:
        ModelError: If there are no safetensors weights, or no config.json.
    """
    available = set(names)
    shards = [name for name in available if _SHARD.fullmatch(name)] if INDEX in available else []
    weights = [WEIGHTS] if WEIGHTS in available else shards
    if not weights:
        raise ModelError(_format_missing_weights(sorted(available), origin))
    if "config.json" not in available:
        raise ModelError(
            _(
                "{origin} has no config.json, which describes the model; restore it from the source of the weights",
                origin=origin,
            )
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
        return _(
            "{origin} has pickled weights only ({files}). Pickles can run code when they are loaded, so they are never"
            " used. Name a revision or another checkpoint with safetensors, or convert the weights on an isolated machine",
            origin=origin,
            files=", ".join(pickle_files),
        )
    return _(
        "{origin} has no {weights} and no {index} with its files (found: {files}); name a checkpoint with safetensors"
        " weights",
        origin=origin,
        weights=WEIGHTS,
        index=INDEX,
        files=", ".join(names) or _("no files"),
    )


def list_weight_files(folder: Path) -> list[Path]:
    """Return the weight files of a checkpoint, sorted by name.

    Raises:
        ModelError: If a file that the index names is missing, or the index cannot be read.
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
            _(
                "{file} is damaged ({error!r}); restore it from the source of the weights",
                file=folder / INDEX,
                error=error,
            )
        ) from error
    if invalid_names := [name for name in names if not _SHARD.fullmatch(str(name))]:
        raise ModelError(
            _(
                "{file} names {name!r}, which is no weight file in the same folder; restore it from the source of the"
                " weights",
                file=folder / INDEX,
                name=invalid_names[0],
            )
        )
    if missing := [name for name in names if not (folder / name).exists()]:
        raise ModelError(
            ngettext(
                "{folder} lacks its weight file {names}; download or copy it again",
                "{folder} lacks {missing} of its {count} weight files ({names}); download or copy them again",
                len(names),
                folder=folder,
                missing=len(missing),
                names=", ".join(missing[:3]),
            )
        )
    return [folder / name for name in names]


def compute_weights_sha256(folder: Path) -> str:
    """Return the sha256 of a checkpoint's weights, as `combine_sha256` defines it."""
    return combine_sha256({file.name: compute_known_sha256(file) for file in list_weight_files(folder)})


def combine_sha256(digests: Mapping[str, str]) -> str:
    """Return the sha256 of a single file, or for several files the sha256 of the output of `sha256sum FILES`.

    Args:
        digests: The sha256 of each file, by name.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def verify_weights(folder: Path, expected_sha256: str | None, origin: str) -> None:
    """Raise a ChecksumError unless the weights in a folder have the pinned sha256; None pins nothing."""
    if expected_sha256 is None:
        return
    digest = compute_weights_sha256(folder)
    if digest != expected_sha256:
        raise ChecksumError(
            _(
                "the weights of {origin} have sha256 {digest}, but model.sha256 in params.yaml pins {expected}; restore"
                " the weights, or pin the new sha256 if you changed them yourself",
                origin=origin,
                digest=digest,
                expected=expected_sha256,
            )
        )


def mark_code_as_trusted(folder: Path, name: str) -> None:
    """Record that a checkpoint's Python files may run: the trusted name, and the sha256 of each file.

    Raises:
        ModelError: If the checkpoint's settings load further code from another repository.
    """
    remote_entries = [
        f"{file.name}: {entry}"
        for file in sorted(folder.glob("*config.json"))
        for entry in _read_auto_map(file)
        if "--" in entry
    ]
    if remote_entries:
        raise ModelError(
            _(
                "{name} would run code from another repository ({entries}), which model.trust_remote_code does not name;"
                " copy the code into the folder of the weights and set model.source to path",
                name=name,
                entries="; ".join(remote_entries),
            )
        )
    marker = {"trusted": name, "files": {file.name: compute_sha256(file) for file in sorted(folder.glob("*.py"))}}
    write_atomically(folder / _TRUST_MARKER, [json.dumps(marker, indent=2, ensure_ascii=False), "\n"])


def is_code_trusted(folder: Path) -> bool:
    """Return whether the Python files of a checkpoint may run: only if stage `base` marked the folder.

    Raises:
        ChecksumError: If a file differs from the trusted one.
    """
    marker = folder / _TRUST_MARKER
    if not marker.exists():
        return False
    expected_digests: dict[str, str] = json.loads(marker.read_text("utf-8"))["files"]
    digests = {file.name: compute_sha256(file) for file in folder.glob("*.py")}
    if digests != expected_digests:
        changed = sorted(
            name for name in {*digests, *expected_digests} if digests.get(name) != expected_digests.get(name)
        )
        raise ChecksumError(
            _(
                "the code in {folder} differs from the trusted code ({files}); run: dvc repro --force base",
                folder=folder,
                files=", ".join(changed),
            )
        )
    return True


def copy_trusted_code(source: Path, folder: Path) -> None:
    """Copy the trusted code of a base and its marker to a model built from it; do nothing without such code."""
    if is_code_trusted(source):
        for file in [*source.glob("*.py"), source / _TRUST_MARKER]:
            shutil.copyfile(file, folder / file.name)


def list_custom_classes(folder: Path) -> list[str]:
    """Return the classes that a checkpoint's config.json loads from custom code."""
    return _read_auto_map(folder / "config.json")


def _read_auto_map(file: Path) -> list[str]:
    settings: Any = json.loads(file.read_text("utf-8"))
    auto_map = settings.get("auto_map") or {} if isinstance(settings, dict) else {}
    entries = auto_map.values() if isinstance(auto_map, dict) else [auto_map]
    return [str(part) for entry in entries for part in (entry if isinstance(entry, list) else [entry]) if part]
