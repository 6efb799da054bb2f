"""Describe errors of the Hugging Face hub, for models and datasets."""

from __future__ import annotations

from typing import Literal

from seodang.errors import describe_error
from seodang.i18n import N_, _
from seodang.io.disk_full import is_disk_full

_KINDS = {"model": N_("model"), "dataset": N_("dataset")}


def describe_hub_error(error: Exception, kind: Literal["model", "dataset"], revision: str) -> str:
    """Return the cause of a hub error and its fix, without the error's own text: it may hold a signed URL.

    Args:
        error: Error raised by huggingface_hub.
        kind: Kind of the repository.
        revision: Translated description of a valid revision, for a revision that does not exist.
    """
    from huggingface_hub import errors

    name = _(_KINDS[kind])
    if is_disk_full(error):
        return _("the disk became full; free some space, then run the same command again: downloaded files are kept")
    if isinstance(error, errors.GatedRepoError):
        return _(
            "the {kind} is gated: request access on its page on the hub, then set HF_TOKEN in the environment",
            kind=name,
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return _("the {kind} has no such revision; name {revision}", kind=name, revision=revision)
    if isinstance(error, errors.RepositoryNotFoundError):
        return _(
            "there is no such {kind}, or it is private: check the name, or set HF_TOKEN in the environment", kind=name
        )
    if (
        isinstance(error, errors.HfHubHTTPError)
        and error.response is not None
        and error.response.status_code in {401, 403}
    ):
        return _("the hub refuses access; check HF_TOKEN in the environment, and that it may read gated repositories")
    return _(
        "the hub cannot be reached ({reason}); check the network, HF_ENDPOINT and HF_HUB_OFFLINE, then run the same"
        " command again: downloaded files are kept",
        reason=describe_error(error),
    )
