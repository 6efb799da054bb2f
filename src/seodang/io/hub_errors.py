"""What to do when the Hugging Face hub refuses or cannot be reached, for models and datasets alike."""

from __future__ import annotations

from seodang.errors import describe_error
from seodang.io.disk_full import is_disk_full


def describe_hub_error(error: Exception, kind: str, revision: str) -> str:
    """Return what to do about a hub error; none of its own words, which may hold addresses with a signature.

    Args:
        error: What huggingface_hub raised.
        kind: "model" or "dataset".
        revision: What may be named as a revision, for a revision that does not exist.
    """
    from huggingface_hub import errors

    if is_disk_full(error):
        return "the disk became full; make room, then run the same command again: files that have arrived are kept"
    if isinstance(error, errors.GatedRepoError):
        return f"access must be asked for on the {kind}'s page, where its licence is shown; then set HF_TOKEN in the environment"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the {kind} has no such revision; name {revision}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such {kind}, or it is private: check the name, or set HF_TOKEN in the environment"
    if (
        isinstance(error, errors.HfHubHTTPError)
        and error.response is not None
        and error.response.status_code in {401, 403}
    ):
        return "the hub refuses access; check HF_TOKEN in the environment, and that it may read gated repositories"
    return f"the hub cannot be asked ({describe_error(error)}); check network, HF_ENDPOINT and HF_HUB_OFFLINE, then run the same command again: files that have arrived are kept"
