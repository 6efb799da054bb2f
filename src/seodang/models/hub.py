"""Download a model's files from the Hugging Face hub at a commit; an interrupted download resumes.

The hub's library restarts an interrupted file from its beginning, and the files of a
model have gigabytes. So the library transfers the bytes, and this module keeps the
partial file and checks its sha256.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seodang.errors import ChecksumError, ModelError
from seodang.i18n import _
from seodang.io.atomic import compute_sha256, write_atomically
from seodang.io.disk_full import check_space, is_disk_full
from seodang.io.hub_errors import describe_hub_error
from seodang.models.checkpoints import select_checkpoint_files

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubFile:
    """File in the hub's listing."""

    size: int
    """Bytes."""
    sha256: str | None
    """None for small files: the hub lists only their git hash."""


def fetch_model(name: str, commit: str, origin: str, downloads: Path, *, include_code: bool) -> dict[str, Path]:
    """Return the local files of a model, by name. A commit is downloaded once; later calls need no network.

    Pickled weights are never downloaded. HF_TOKEN, if set, gives access to gated and
    private models. Files in the hub's own cache (HF_HOME) are used from there.

    Args:
        name: owner/name.
        commit: 40 hex digits.
        origin: Source of the model, for messages.
        downloads: Folder of the downloads.
        include_code: Whether to include Python files.

    Raises:
        ModelError: If the model is missing, access is denied, or the hub does not answer. Also if the disk has no room
            for the files and for their copy in the base's folder. The message names the fix.
        ChecksumError: If a downloaded file differs from the hub's listing.
    """
    from filelock import FileLock

    folder = _get_download_folder(name, commit, downloads)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock"):
            hub_files = _list_hub_files(name, commit, folder)
            names = select_checkpoint_files(hub_files, origin, include_code=include_code)
            _download_missing(name, commit, names, hub_files, folder)
            return {
                file: folder / file if (folder / file).exists() else Path(str(_find_in_hub_cache(name, commit, file)))
                for file in names
            }
    except (ModelError, ChecksumError):
        raise
    except Exception as error:
        if is_disk_full(error):  # stage `base` reports it
            raise
        description = describe_hub_error(error, "model", _("an existing commit as model.revision"))
        raise ModelError(f"{origin}: {description}") from error


def find_downloaded_file(name: str, commit: str, file: str, downloads: Path) -> Path | None:
    """Return a file of a model that was downloaded before, here or by the hub's own library; None if it was not."""
    downloaded = _get_download_folder(name, commit, downloads) / file
    if downloaded.is_file():
        return downloaded
    cached = _find_in_hub_cache(name, commit, file)
    return Path(cached) if cached else None


def _get_download_folder(name: str, commit: str, downloads: Path) -> Path:
    return downloads / "hub" / "models" / name.replace("/", "--") / commit


def _download_missing(
    name: str, commit: str, names: Sequence[str], hub_files: Mapping[str, HubFile], folder: Path
) -> None:
    missing = {
        file: hub_files[file]
        for file in names
        if not (folder / file).exists() and _find_in_hub_cache(name, commit, file) is None
    }
    if missing:
        remaining_bytes = sum(hub_file.size - _get_partial_file(folder, file)[1] for file, hub_file in missing.items())
        copy_bytes = sum(hub_files[file].size for file in names)
        check_space(folder, remaining_bytes + copy_bytes, _("downloading {name} and copying it", name=name))
    for file, hub_file in missing.items():
        _download_file(name, commit, file, hub_file, folder)


def _create_api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get("HF_TOKEN"), library_name="seodang")


def _list_hub_files(name: str, commit: str, folder: Path) -> Mapping[str, HubFile]:
    """Return the files on a commit's top level; they never change, so the listing is downloaded once."""
    from huggingface_hub.hf_api import RepoFile

    listing = folder / ".files.json"
    if listing.exists():
        return {file: HubFile(**fields) for file, fields in json.loads(listing.read_text("utf-8")).items()}
    entries = [entry for entry in _create_api().list_repo_tree(name, revision=commit) if isinstance(entry, RepoFile)]
    files = {entry.path: HubFile(entry.size, entry.lfs.sha256 if entry.lfs else None) for entry in entries}
    write_atomically(listing, [json.dumps({file: asdict(hub_file) for file, hub_file in files.items()}, indent=1)])
    return files


def _find_in_hub_cache(name: str, commit: str, file: str) -> str | None:
    """Return the path of a file in the hub's own cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    location = try_to_load_from_cache(name, file, revision=commit)
    return location if isinstance(location, str) else None


def _get_partial_file(folder: Path, file: str) -> tuple[Path, int]:
    """Return the partial file of an interrupted download and its size in bytes."""
    part = folder / f".{file}.part"
    return part, part.stat().st_size if part.exists() else 0


def _download_file(name: str, commit: str, file: str, hub_file: HubFile, folder: Path) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import get_hf_file_metadata, http_get

    part, size = _get_partial_file(folder, file)
    logger.info(
        _(
            "downloading {file} of {name}, {size:.1f} MB ({present:.1f} MB are present)",
            file=file,
            name=name,
            size=hub_file.size / 1e6,
            present=size / 1e6,
        )
        if size
        else _("downloading {file} of {name}, {size:.1f} MB", file=file, name=name, size=hub_file.size / 1e6)
    )
    url = hf_hub_url(name, file, revision=commit, endpoint=os.environ.get("HF_ENDPOINT"))
    token = os.environ.get("HF_TOKEN")
    location = get_hf_file_metadata(url, token=token, library_name="seodang").location
    # Another host is the storage behind the hub, at a signed URL; it must not receive the token.
    headers = (
        {"authorization": f"Bearer {token}"} if token and urlsplit(location).netloc == urlsplit(url).netloc else {}
    )
    with part.open("ab") as target:
        http_get(location, target, resume_size=size, headers=headers, expected_size=hub_file.size)
    if part.stat().st_size != hub_file.size or (
        hub_file.sha256 is not None and compute_sha256(part) != hub_file.sha256
    ):
        part.unlink()
        raise ChecksumError(
            _(
                "the downloaded file {file} of {name} was damaged and is removed; run the same command again",
                file=file,
                name=name,
            )
        )
    part.replace(folder / file)
