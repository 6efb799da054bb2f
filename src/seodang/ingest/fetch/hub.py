"""Fetch the data files of a dataset on the Hugging Face hub at a commit: hf://owner/name@revision[/glob].

Only data files are fetched. A loading script in the repository is neither fetched nor run.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.files import DATA_SUFFIXES, LocalFile, is_auxiliary_file, is_data_file
from seodang.ingest.rows import shorten
from seodang.io.atomic import write_atomically
from seodang.io.hub_errors import describe_hub_error

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

_URL_PATTERN = re.compile(
    r"hf://(?:datasets/)?(?P<name>[\w.\-]+(?:/[\w.\-]+)?)"
    r"@(?P<revision>refs/convert/[^/]+|refs/pr/\d+|[^/]+)(?:/(?P<glob>.+))?"
)
_PREVIEW_CHARACTERS = 300
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_hub_files(url: str, cache: Path) -> list[LocalFile]:
    """Return the data files of a dataset, sorted by name; a branch or tag is resolved to its commit.

    Args:
        url: hf://owner/name@revision, optionally with / and a file, a folder or a glob.
        cache: Folder of the downloads; a commit whose files are cached needs no network.

    Raises:
        SourceError: If the URL is malformed, the hub cannot be reached, or no data file matches; with the fix.

    """
    match = _URL_PATTERN.fullmatch(url)
    if match is None:
        raise SourceError(
            _(
                "{url} does not have the form hf://owner/name@revision/glob; the revision is required, preferably a commit,"
                " so that the data stay the same",
                url=url,
            )
        )
    name, revision, pattern = match["name"], match["revision"].replace("%2F", "/"), match["glob"] or "*"
    folder = cache / "hub" / name.replace("/", "--")
    try:
        commit, files = _list_files(name, revision, folder)
        matches = [file for file in files if _is_match(file, pattern)]
        if not matches:
            raise SourceError(_describe_no_match(url, files))
        local_files = [_fetch_file(name, commit, file, folder) for file in matches]
    except SourceError:
        raise
    except Exception as error:
        revision_hint = _("a commit, tag or branch of the dataset")
        raise SourceError(f"{url}: {describe_hub_error(error, 'dataset', revision_hint)}") from None
    if revision != commit:
        logger.warning(
            _(
                "{url}: {revision} may change; it is now commit {commit}: write that into params.yaml to keep these data",
                url=url,
                revision=revision,
                commit=commit,
            )
        )
    return local_files


def _describe_no_match(url: str, files: list[str]) -> str:
    return _(
        "{url} matches no data file ({suffixes}, also .gz); the data files of the dataset: {files}",
        url=url,
        suffixes=", ".join(DATA_SUFFIXES),
        files=shorten(", ".join(files), _PREVIEW_CHARACTERS) or _("none"),
    )


def _create_api() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="seodang")


def _list_files(name: str, revision: str, folder: Path) -> tuple[str, list[str]]:
    """Return a revision's commit and its data files. The files of a commit never change, so they are listed once."""
    from huggingface_hub.hf_api import RepoFile

    if _COMMIT.fullmatch(revision) and (listing_path := _get_listing_path(folder, revision)).is_file():
        return revision, list(json.loads(listing_path.read_text("utf-8")))
    commit = str(_create_api().dataset_info(name, revision=revision).sha)
    entries = _create_api().list_repo_tree(name, recursive=True, revision=commit, repo_type="dataset")
    files = sorted(entry.path for entry in entries if isinstance(entry, RepoFile) and _is_dataset_file(entry.path))
    write_atomically(_get_listing_path(folder, commit), [json.dumps(files, ensure_ascii=False)])
    return commit, files


def _get_listing_path(folder: Path, commit: str) -> Path:
    return folder / f"{commit}.json"


def _is_dataset_file(file: str) -> bool:
    parts = file.split("/")
    return (
        is_data_file(file, DATA_SUFFIXES)
        and not is_auxiliary_file(parts[-1])
        and not any(part.startswith(".") for part in parts)
    )


def _is_match(file: str, pattern: str) -> bool:
    return file == pattern or file.startswith(f"{pattern.rstrip('/')}/") or fnmatch.fnmatchcase(file, pattern)


def _fetch_file(name: str, commit: str, file: str, folder: Path) -> LocalFile:
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(
        name,
        file,
        repo_type="dataset",
        revision=commit,
        cache_dir=folder,
        endpoint=os.environ.get("HF_ENDPOINT"),
        library_name="seodang",
    )
    url = f"hf://{name}@{commit}/{file}"
    return LocalFile(Path(path), url, url)
