"""Raw results of models, kept from one evaluation to the next.

Another aligned model, or one more task, leaves most requests to base, tuned model and champion as they were. A result
is found by everything that it depends on: the weights, the token ids of all requests that are computed together, the
settings of the batches, the device with its number of threads, and the code. So it has the bytes of a new computation.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Self

from seodang.i18n import _
from seodang.io.atomic import compute_sha256, write_atomically
from seodang.io.file_digests import compute_known_sha256
from seodang.io.jsonl import SCHEMA_VERSION, format_json_line

logger = logging.getLogger(__name__)

_PACKAGES: Final = ("torch", "transformers", "tokenizers", "peft", "numpy")
_ROOMS: Final = ("evaluation", "inference", "models")  # whose code computes a result
_MAX_FILES: Final = 8  # one per model; the base, the candidates and the champions of a run are fewer
_MAX_BYTES: Final = 64 * 2**20  # of the file of a model, beside what the last evaluation used


class ModelResults:
    """Results of one model, by the digest of the requests that were computed together."""

    def __init__(self, path: Path, key: str) -> None:
        """Read the file of the model; a damaged one is reported and counts as empty."""
        self._path, self._key = path, key
        self._kept = _read_results(path, key)
        self._used: dict[str, list[Any]] = {}
        self._is_new = False

    def find(self, digest: str) -> list[Any] | None:
        """Return the results of equal requests in an earlier evaluation, in their order; None if there are none."""
        found = self._kept.get(digest)
        if found is not None:
            self._used[digest] = found
        return found

    def add(self, digest: str, results: list[Any]) -> None:
        """Keep results."""
        self._used[digest] = results
        self._is_new = True

    def write(self) -> None:
        """Write the file if it has new results. Those that this evaluation did not use leave first when it is full."""
        if not self._is_new:
            with suppress(FileNotFoundError):
                os.utime(self._path)  # the files that were used last stay
            return
        lines, size = [], 0
        unused = [item for item in self._kept.items() if item[0] not in self._used]
        for digest, results in reversed([*unused, *self._used.items()]):
            line = format_json_line({"requests": digest, "results": results}, allow_nan=True)
            size += len(line)
            if digest not in self._used and size > _MAX_BYTES:
                break
            lines.append(line)
        body = "".join(reversed(lines))
        write_atomically(self._path, [_format_header(self._key, body), body])


class ResultStore:
    """The results of all models in a folder, which may be deleted at any time; several runs may share it."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open the folder.

        Args:
            folder: Created where it does not exist.
            settings: Everything but weights and requests that a result depends on.
        """
        self._folder, self._settings = folder, settings
        self._models: dict[str, ModelResults] = {}

    def open_model(self, folders: Sequence[Path]) -> ModelResults:
        """Return the results of a model.

        Args:
            folders: Of its weights: a checkpoint, or base and adapter.
        """
        weights = [
            [[str(file.relative_to(folder)), compute_known_sha256(file)] for file in sorted(folder.rglob("*"))]
            for folder in folders
            if folder.is_dir()
        ]
        key = hashlib.sha256(json.dumps([self._settings, weights], sort_keys=True).encode()).hexdigest()
        if key not in self._models:
            self._models[key] = ModelResults(self._folder / f"{key[:16]}.jsonl", key)
        return self._models[key]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is new, also after an error. A full disk here does not fail an evaluation that has succeeded."""
        with suppress(OSError):
            for results in self._models.values():
                results.write()
            newest_first = sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in newest_first[max(_MAX_FILES, len(self._models)) :]:
                file.unlink(missing_ok=True)


def collect_settings(precision: str, arithmetic: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a result store: precision, arithmetic of the device, versions and a digest of the code."""
    package = Path(__file__).parents[1]
    files = sorted(file for room in _ROOMS for file in (package / room).rglob("*.py"))
    code = [[str(file.relative_to(package)), compute_sha256(file)] for file in files]
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        "precision": precision,
        "arithmetic": dict(arithmetic),
        "versions": {"python": platform.python_version(), **versions},
        "code": hashlib.sha256(json.dumps(code).encode()).hexdigest(),
    }


def compute_request_digest(request: Any) -> str:
    """Return the digest of requests that are computed together, with the settings of their batches."""
    return hashlib.sha256(repr(request).encode()).hexdigest()


def _format_header(key: str, body: str) -> str:
    digest = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
    return format_json_line({"schema": SCHEMA_VERSION, "key": key, "sha256": digest})


def _read_results(path: Path, key: str) -> dict[str, list[Any]]:
    """Return the results of a file in their order; none if it does not exist or is damaged."""
    try:
        header, _end, body = path.read_bytes().decode("utf-8", "surrogatepass").partition("\n")
        if f"{header}\n" == _format_header(key, body):
            return {row["requests"]: row["results"] for row in map(json.loads, body.splitlines())}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        pass
    logger.warning(_("the kept results in {file} are damaged; the model is evaluated again", file=path))
    return {}
