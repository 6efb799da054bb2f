"""Fetch a model's files from the Hugging Face hub at a commit; a fetch that was interrupted goes on where it was.

The hub's own library begins an interrupted file anew, and the files of a model are
gigabytes. So the transfer is the library's, and the partial file and its checksum are ours.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from seodang.errors import ChecksumError, ModelError
from seodang.io.atomic import sha256_of, write_atomically
from seodang.io.disk_full import check_space, is_disk_full
from seodang.io.hub_errors import describe_hub_error
from seodang.models.checkpoints import select_checkpoint_files

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub lists it."""

    size: int  # bytes
    sha256: str | None  # of large files; small ones are told by git's hash, which is not kept


def fetch_model(name: str, commit: str, origin: str, downloads: Path, *, include_code: bool) -> dict[str, Path]:
    """Return the local files of a model, by name; those of a commit are fetched once, and then need no network.

    Weights as pickles are never fetched, Python files only with `code`. HF_TOKEN,
    where it is set, opens gated and private models. What the hub's own cache
    (HF_HOME) already holds is taken from there.

    Args:
        name: owner/name.
        commit: 40 hex digits.
        place: Named in messages.
        downloads: The folder of downloads.
        code: Whether the model's Python files are wanted.

    Raises:
        ModelError: If it is not there, may not be read, does not fit on the disk beside the copy that becomes the base, or the hub does not answer; with what to do.
        ChecksumError: If what arrived is not what the hub lists.
    """
    from filelock import FileLock

    folder = downloads / "hub" / "models" / name.replace("/", "--") / commit
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock"):
            hub_files = _list_hub_files(name, commit, folder)
            names = select_checkpoint_files(hub_files, origin, include_code=include_code)
            missing = {
                file: hub_files[file]
                for file in names
                if not (folder / file).exists() and _find_in_hub_cache(name, commit, file) is None
            }
            if missing:
                remaining_bytes = sum(
                    about.size - _get_partial_file(folder, file)[1] for file, about in missing.items()
                )
                check_space(
                    folder,
                    remaining_bytes + sum(hub_files[file].size for file in names),
                    f"downloading {name} and copying it",
                )
            for file, hub_file in missing.items():
                _download_file(name, commit, file, hub_file, folder)
            return {
                file: folder / file if (folder / file).exists() else Path(str(_find_in_hub_cache(name, commit, file)))
                for file in names
            }
    except (ModelError, ChecksumError):
        raise
    except Exception as error:
        if is_disk_full(error):  # is told by whoever writes the base
            raise
        raise ModelError(
            f"{origin}: {describe_hub_error(error, 'model', 'a commit of its own as model.revision')}"
        ) from error


def _create_api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get("HF_TOKEN"), library_name="seodang")


def _list_hub_files(name: str, commit: str, folder: Path) -> Mapping[str, HubFile]:
    """Return the files on a commit's top level; they never change, so they are asked for once."""
    from huggingface_hub.hf_api import RepoFile

    listing = folder / ".files.json"
    if listing.exists():
        return {file: HubFile(**about) for file, about in json.loads(listing.read_text("utf-8")).items()}
    entries = [entry for entry in _create_api().list_repo_tree(name, revision=commit) if isinstance(entry, RepoFile)]
    files = {entry.path: HubFile(entry.size, entry.lfs.sha256 if entry.lfs else None) for entry in entries}
    write_atomically(listing, [json.dumps({file: asdict(about) for file, about in files.items()}, indent=1)])
    return files


def _find_in_hub_cache(name: str, commit: str, file: str) -> str | None:
    """Return where the hub's own cache holds a file, or None."""
    from huggingface_hub import try_to_load_from_cache

    location = try_to_load_from_cache(name, file, revision=commit)
    return location if isinstance(location, str) else None


def _get_partial_file(folder: Path, file: str) -> tuple[Path, int]:
    """Return the partial file of an interrupted fetch and how many bytes it has."""
    part = folder / f".{file}.part"
    return part, part.stat().st_size if part.exists() else 0


def _download_file(name: str, commit: str, file: str, hub_file: HubFile, folder: Path) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import get_hf_file_metadata, http_get

    part, size = _get_partial_file(folder, file)
    logger.info(
        "downloading %s of %s, %.1f MB%s",
        file,
        name,
        hub_file.size / 1e6,
        f", of which {size / 1e6:.1f} are there" if size else "",
    )
    url = hf_hub_url(name, file, revision=commit, endpoint=os.environ.get("HF_ENDPOINT"))
    token = os.environ.get("HF_TOKEN")
    location = get_hf_file_metadata(url, token=token, library_name="seodang").location
    # Another host is the storage behind the hub, at a signed address: the token is none of its business.
    headers = (
        {"authorization": f"Bearer {token}"} if token and urlsplit(location).netloc == urlsplit(url).netloc else {}
    )
    with part.open("ab") as target:
        http_get(location, target, resume_size=size, headers=headers, expected_size=hub_file.size)
    if part.stat().st_size != hub_file.size or (hub_file.sha256 is not None and sha256_of(part) != hub_file.sha256):
        part.unlink()
        raise ChecksumError(f"{file} of {name} arrived damaged and was removed; run the same command again")
    part.replace(folder / file)
